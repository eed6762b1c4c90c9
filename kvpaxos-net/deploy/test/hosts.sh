#!/usr/bin/env bash
# Runs the commands of the systemd unit on five hosts, which are network namespaces of this machine: the walk-through over TCP and UDP; then,
# under load, one host is killed and another one is cut off; both come back, the history must be linearizable, and all logs must agree.
#
#   kvpaxos-net/deploy/test/hosts.sh          needs root and iproute2; says so and ends with 77 if they are missing
#   kvpaxos-net/deploy/test/hosts.sh --tls    the same within TLS, as the unit says: without UDP, and without the word for plaintext
#
# PATH must have `kvpaxos` and `kvpaxos-sim`.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
unit=$here/../systemd/kvpaxos@.service
example=$here/../systemd/kvpaxos.toml
case ${1:-} in
    '') tls=no ;;
    --tls) tls=yes ;;
    *) echo "usage: $0 [--tls]" >&2; exit 2 ;;
esac
# 77 means skipped.
skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
command -v ip >/dev/null || skip "ip (iproute2) is not installed"

lab=kvp$$
scratch=$(mktemp -d)
switch=$lab-switch
ip netns add "$switch" 2>/dev/null || skip "network namespaces cannot be made here"
declare -A running=()

end() {
    local code=$?
    for id in "${!running[@]}"; do kill -9 "${running[$id]}" 2>/dev/null || true; done
    wait 2>/dev/null || true
    for name in $(ip netns list | awk -v lab="$lab-" 'index($1, lab) == 1 { print $1 }'); do ip netns delete "$name"; done
    if [ "$code" -ne 0 ]; then tail -n 5 "$scratch"/*.log "$scratch"/*.out 2>/dev/null || true; fi
    rm -rf "$scratch"
    exit "$code"
}
trap end EXIT
trap 'exit 1' INT TERM

# A host with this address, connected to the switch. `port` cuts it off and connects it again.
host() { # NAME ADDRESS
    ip netns add "$lab-$1"
    ip -n "$switch" link add "to-$1" type veth peer name eth0 netns "$lab-$1"
    ip -n "$switch" link set "to-$1" master bridge up
    ip -n "$lab-$1" address add "$2/24" dev eth0
    ip -n "$lab-$1" link set lo up
    ip -n "$lab-$1" link set eth0 up
}
port() { ip -n "$switch" link set "to-$1" "$2"; } # NAME up|down
on() { local name=$1; shift; ip netns exec "$lab-$name" "$@"; }

if command -v systemd-analyze >/dev/null; then
    sed "s|/usr/local/bin/kvpaxos|$(command -v kvpaxos)|" "$unit" >"$scratch/kvpaxos@0.service"
    systemd-analyze verify "$scratch/kvpaxos@0.service"
else
    echo "systemd-analyze is not installed, so the unit is not verified"
fi

ip -n "$switch" link add bridge type bridge
ip -n "$switch" link set bridge up
servers=
datagrams=
for id in 0 1 2 3 4; do
    host "h$id" "10.73.0.1$id"
    servers+=${servers:+,}10.73.0.1$id:1111
    datagrams+=${datagrams:+,}10.73.0.1$id:5555
done
host client 10.73.0.100
if [ "$tls" = yes ]; then
    kvpaxos cert authority "$scratch/certificates" >/dev/null
    for id in 0 1 2 3 4; do kvpaxos cert replica "$scratch/certificates" --id $id --host 10.73.0.1$id >/dev/null; done
    export KVPAXOS_TLS_CA=$scratch/certificates/ca.pem
fi

# A command of the unit, with what systemd would put into it.
command_of() { # ExecStart|ExecStartPre ID
    sed -n "s/^$1=//p" "$unit" | sed \
        -e "s|/usr/local/bin/kvpaxos|kvpaxos|; s|%i|$2|g; s|/etc/kvpaxos/kvpaxos.toml|$scratch/$2.toml|" \
        -e "s|\${STATE_DIRECTORY}|$scratch/$2|"
}
# The example of a configuration, as an operator changes it for a host.
configure() { # ID
    sed -e "/^peers\|^servers/s|10\.0\.0\.|10.73.0.|g; s|\"10\.0\.0\.10:|\"10.73.0.1$1:|" "$example" |
        if [ "$tls" = yes ]; then
            sed -e '/^udp\|^plaintext-beyond-loopback/d; s|^# tls-|tls-|' -e "s|/etc/kvpaxos/r0|$scratch/certificates/r$1|" \
                -e "s|/etc/kvpaxos/ca|$scratch/certificates/ca|"
        else cat; fi >"$scratch/$1.toml"
    kvpaxos config --config "$scratch/$1.toml" >/dev/null
}
start() { # ID
    mkdir -p "$scratch/$1"
    configure "$1"
    # The unit has no quotation marks and no spaces in words.
    # shellcheck disable=SC2046
    on "h$1" $(command_of ExecStartPre "$1") >/dev/null
    # With exec it is the replica that is killed, and not a shell.
    # shellcheck disable=SC2046
    (exec ip netns exec "$lab-h$1" $(command_of ExecStart "$1") --log-file "$scratch/$1.log") >"$scratch/$1.out" 2>&1 &
    running[$1]=$!
}
until_it_is() { # CODE WHAT: until `kvpaxos status` ends with CODE
    local code
    for _ in $(seq 100); do
        code=0
        on client kvpaxos status --servers "$servers" --timeout 1s >"$scratch/status.out" 2>&1 || code=$?
        if [ "$code" -eq "$1" ]; then head -n 1 "$scratch/status.out"; return; fi
        sleep 0.2
    done
    echo "$2: status ends with $code and not with $1:"; cat "$scratch/status.out"; exit 1
}

for id in 0 1 2 3 4; do start $id; done
until_it_is 0 "five hosts do not serve"

echo "== the walk-through"
on client kvpaxos client alice --transport tcp --servers "$servers" --walkthrough </dev/null
if [ "$tls" = no ]; then
    on client kvpaxos client bob --transport udp --servers "$datagrams" --walkthrough </dev/null >"$scratch/udp.out"
    tail -n 3 "$scratch/udp.out"
else
    echo "== who does not speak TLS is told so"
    code=0
    on client env -u KVPAXOS_TLS_CA kvpaxos get --servers "$servers" --timeout 1s fruit/apple \
        >"$scratch/plain.out" 2>&1 || code=$?
    [ "$code" -eq 4 ] && grep -q "speaks TLS only" "$scratch/plain.out"
fi

echo "== two of five fail under load"
on client kvpaxos bench --servers "$servers" --clients 8 --keys 20 --reads 50 --seconds 14 --timeout 5s \
    --history "$scratch/history.jsonl" >"$scratch/bench.out" 2>&1 &
load=$!
sleep 2
leader=$(on client kvpaxos status --servers "$servers" --json | tr -d ' \n' | grep -o '"leader":[0-9]*' | head -n 1 | tr -dc 0-9)
cut=$(((leader + 1) % 5))
kill -9 "${running[$leader]}"
wait "${running[$leader]}" 2>/dev/null || true
port "h$cut" down
echo "r$leader, the leader, is killed, and r$cut is cut off"
until_it_is 13 "three of five do not serve"
on client kvpaxos put --servers "$servers" during yes
sleep 3
port "h$cut" up
start "$leader"
until_it_is 0 "five hosts do not serve again"
[ "$(on client kvpaxos get --servers "10.73.0.1$cut:1111" during)" = yes ]
wait "$load" || [ $? -eq 1 ] # 1: some requests had no answer
cat "$scratch/bench.out"
kvpaxos-sim check "$scratch/history.jsonl"
for id in 0 1 2 3 4; do kill "${running[$id]}"; done
wait
running=()
kvpaxos log compare "$scratch"/[0-4]/replica
if [ "$tls" = yes ]; then echo "all of it within TLS"; fi
echo "five hosts: two failed under load and came back, and nothing was lost"
