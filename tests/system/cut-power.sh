# SPDX-License-Identifier: MIT
# Beside the host: starts a guest that writes and flushes, kills the host at a random moment, checks the image, and starts the
# guest again, which must find what it flushed. $1 kernel, $2 initrd; the first line of tests/system/power-cut's says FORMAT and ROUNDS.
[ -x /bin/ls ] || /bin/busybox --install -s /bin
folder=$(mktemp -d)
disk=$folder/disk.$FORMAT
log=$folder/log

finish() { rm -rf "$folder"; echo "cut: $1"; exit "$2"; }

# How far all was flushed: only lines that are whole count.
flushed() { sed -n 's/.*flushed \([0-9]*\)\r$/\1/p' "$log" | tail -n 1; }

start() {
	xenolith run --native --kernel "$1" --initrd "$2" --append "console=ttyS0 quiet flushed=$flushed $3" --memory 128M \
		--disk "$disk,format=$FORMAT" </dev/null >"$log" 2>&1 &
	host=$!
}

xenolith image create -f "$FORMAT" "$disk" 48M >/dev/null || finish "no image" 3
flushed=0
round=0
while [ $round -lt "$ROUNDS" ]; do
	round=$((round + 1))
	start "$1" "$2" ""
	until grep -q 'flusher: flushed' "$log"; do
		grep -q 'flusher: bad' "$log" || ! kill -0 $host 2>/dev/null && cat "$log" && finish "bad after $flushed" 1
		sleep 0.2
	done
	sleep "$(($(od -An -N2 -tu2 /dev/urandom) % 3)).$(($(od -An -N2 -tu2 /dev/urandom) % 1000))"
	kill -9 $host
	wait $host 2>/dev/null
	flushed=$(flushed)
	# A log that waits to be replayed, as VHDX has it, is no error.
	xenolith image check -f "$FORMAT" "$disk" >"$folder/check" 2>&1 || grep -q '^0 errors' "$folder/check" ||
		{ cat "$folder/check"; finish "the image is bad after $flushed" 1; }
	echo "cut: $round, $flushed records flushed"
done
start "$1" "$2" stop
wait $host
grep -q "flusher: all is there up to $flushed" "$log" || { cat "$log"; finish "bad after $flushed" 1; }
xenolith image check -f "$FORMAT" "$disk" >"$folder/check" 2>&1 || { cat "$folder/check"; finish "the image is bad at the end" 1; }
finish "all was there" 0
