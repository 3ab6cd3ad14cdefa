#!/usr/bin/env bash
# Installs the programs that the check uses beyond Go, make and git: a C
# compiler for the race detector, other people's clients and servers for
# cross-checks. What is there already is left alone, and so is a system
# without apt: the check says itself what it could not exercise.
set -euo pipefail
PATH=$PATH:/usr/sbin

# program:package, where the names differ
wanted=(gcc ncat nc:netcat-openbsd nats-server ngircd python3 shellcheck
	ping:iputils-ping traceroute tcpdump tshark capinfos:wireshark-common dumpcap:wireshark-common)

missing=()
for want in "${wanted[@]}"; do
	command -v "${want%%:*}" >/dev/null || missing+=("${want##*:}")
done
if [ ${#missing[@]} -eq 0 ]; then
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo "Not installed, and no apt-get here: ${missing[*]}"
	exit 0
fi
sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -q
"${sudo[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
