# SPDX-License-Identifier: MIT
# Beside the host: makes a disk of every format, has a guest work on them all at once, checks the images, and has another guest verify
# what was written. $1 kernel, $2 initrd, $3 adapter, $4 the disk with fio; tests/host/fio's first lines say the rest.
[ -x /bin/ls ] || /bin/busybox --install -s /bin
folder=$(mktemp -d)
cd "$folder" || exit 3

finish() { cd /; rm -rf "$folder"; echo "fio: $1"; exit "$2"; }

# FORMAT, FORMAT-fixed, and children of such disks.
create() {
	base=${1%-child} file=$1
	format=${base%-fixed} fixed=--fixed
	[ $format = $base ] && fixed=
	[ $base = $1 ] || file=parent-$1
	cp seed disk.raw
	truncate -s ${mib}M disk.raw
	xenolith image convert $fixed -f raw -O $format disk.raw $file >/dev/null || finish "no image $1" 3
	[ $base = $1 ] || xenolith image diff $file $1 >/dev/null || finish "no child $1" 3
	disks=$disks${disks:+,}$mib:$1
	files="$files --disk $folder/$1,format=$format"
}

check() {
	for disk in $DISKS; do
		format=${disk%-child}
		if xenolith image check -f ${format%-fixed} $disk >said 2>&1; then
			echo "good $disk-checks-clean-after-$1"
		else
			cat said
			echo "bad $disk-checks-clean-after-$1"
		fi
	done
}

# As the script, and what the guest does.
run() {
	# shellcheck disable=SC2086
	xenolith run $WAY ${3:+--adapter $3} --kernel "$1" --initrd "$2" --cpus 2 --memory 512M --disk "$4" $files </dev/null \
		--append "console=$CONSOLE $QUICK what=$5 part=$PART loops=$LOOPS seed=$sum disks=$disks"
}

guest() {
	run "$@"
	status=$?
	[ $status = 0 ] || finish "the guest failed ($status)" 1
	check $5
}

dd if=/dev/urandom of=seed bs=1M count=4 2>/dev/null
sum=$(md5sum <seed)
sum=${sum%% *}
mib=128 disks= files=
for disk in $DISKS; do
	mib=$((mib + 1))
	create $disk
done
rm disk.raw
parents=$(cat parent-* 2>/dev/null | md5sum)
guest "$1" "$2" "$3" "$4" write
guest "$1" "$2" "$3" "$4" verify
[ "$parents" = "$(cat parent-* 2>/dev/null | md5sum)" ] && echo "good parents-are-untouched" || echo "bad parents-are-untouched"
finish done 0
