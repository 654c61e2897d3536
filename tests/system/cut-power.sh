# SPDX-License-Identifier: MIT
# Beside the host: starts a guest that writes to a disk of every format and flushes, kills the host at a random moment, checks the
# images, and starts the guest again, which must find what it flushed. $1 kernel, $2 initrd, $3 adapter; tests/system/power-cut's
# first lines say ROUNDS, MEMORY, DISKS (FORMAT or FORMAT-child) and WAY (--native or nothing).
[ -x /bin/ls ] || /bin/busybox --install -s /bin
folder=$(mktemp -d)
log=$folder/log
cd "$folder" || exit 3

finish() { cd /; rm -rf "$folder"; echo "cut: $1"; exit "$2"; }

bad() { cat "$log" ${2:+"$2"}; finish "$1, round $round" 1; }

# The guest knows its disks by their sizes.
create() {
	mib=4096
	for disk in $DISKS; do
		format=${disk%-child} file=$disk
		[ $disk = $format ] || file=parent-$format
		xenolith image create -f $format $file ${mib}M >/dev/null || finish "no image" 3
		[ $disk = $format ] || xenolith image diff $file $disk >/dev/null || finish "no child" 3
		echo "$mib 0" >$disk.state
		mib=$((mib + 128))
	done
}

# As the script; $4: one more word for the guest.
start() {
	words= files=
	for disk in $DISKS; do
		read -r mib flushed <$disk.state
		words=$words${words:+,}$mib:$flushed
		files="$files --disk $folder/$disk,format=${disk%-child}"
	done
	# shellcheck disable=SC2086
	xenolith run $WAY ${3:+--adapter $3} --kernel "$1" --initrd "$2" --append "console=$CONSOLE $QUICK disks=$words $4" --memory $MEMORY \
		$files </dev/null >"$log" 2>&1 &
	host=$!
}

# What is left of the power cut: how far all was flushed (only lines that are whole count), and images without errors. A log
# that waits to be replayed, as VHDX has it, is none.
look() {
	for disk in $DISKS; do
		read -r mib flushed <$disk.state
		now=$(sed -n "s/.*flusher: $mib flushed \([0-9]*\)\r\$/\1/p" "$log" | tail -n 1)
		echo "$mib ${now:-$flushed}" >$disk.state
		xenolith image check -f ${disk%-child} $disk >check 2>&1 || grep -q '^0 errors' check || bad "$disk is damaged" check
	done
}

random() { echo $(($(od -An -N2 -tu2 /dev/urandom) * $1 / 65536)); }

wait_for() {
	until grep -q "$1" "$log"; do
		grep -q 'flusher:.* bad' "$log" && bad "the guest fails"
		kill -0 $host 2>/dev/null || bad "the guest fails"
		sleep 0.1
	done
}

kernel=$1 initrd=$2 adapter=$3
create
round=0 early=0
while [ $round -lt "$ROUNDS" ]; do
	round=$((round + 1))
	start "$kernel" "$initrd" "$adapter" ""
	# Now and then while it opens its images, and replays what the kill before left; else when it flushes.
	if [ $((round % 4)) = 0 ]; then
		early=$((early + 1))
	else
		wait_for 'flusher:.* flushed'
	fi
	milliseconds=$(random 1500)
	sleep $((milliseconds / 1000)).$(printf %03d $((milliseconds % 1000)))
	kill -9 $host
	wait $host 2>/dev/null
	grep -q 'flusher:.* bad' "$log" && bad "the guest fails"
	look
	echo "cut: $round, at $(cut -d' ' -f1 /proc/uptime) s, after $milliseconds ms:" $(cat $(for d in $DISKS; do echo $d.state; done))
done
start "$kernel" "$initrd" "$adapter" stop
wait $host
for disk in $DISKS; do
	read -r mib flushed <$disk.state
	grep -q "flusher: $mib all is there up to $flushed[^0-9]" "$log" || bad "$disk: not all of $flushed is there"
	xenolith image check -f ${disk%-child} $disk >check 2>&1 || bad "$disk is damaged at the end" check
	echo "cut: $disk: all $flushed records are there"
done
finish "$ROUNDS kills, $early of them in the guest's first second and a half" 0
