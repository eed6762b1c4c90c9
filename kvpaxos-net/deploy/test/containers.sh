#!/usr/bin/env bash
# Does with containers what the README says: deploys five replicas, walks a client through over TCP and UDP, reaches r0 from this host, kills
# two replicas, and goes on; then brings them back.
#
#   kvpaxos-net/deploy/test/containers.sh      needs a container engine; says so and ends with 77 if there is none
#
# PATH must have `kvpaxos`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# 77 means skipped.
skip() { echo "skipped: $*"; exit 77; }
export ENGINE=${ENGINE:-docker} PROJECT=kvpaxos-test-$$
command -v "$ENGINE" >/dev/null || skip "$ENGINE is not installed"
"$ENGINE" info >/dev/null 2>&1 || skip "$ENGINE does not run here"
"$ENGINE" compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null || skip "no compose is installed"
scratch=$(mktemp -d)
trap './deploy.sh delete >/dev/null 2>&1; rm -rf "$scratch"' EXIT

./deploy.sh
network=${PROJECT}_replicas
inside() { "$ENGINE" run --rm --network "$network" kvpaxos "$@"; }
servers=r0:1111,r1:1111,r2:1111,r3:1111,r4:1111

echo "== the walk-through"
./run_client.sh "alice-$$" 1111 TCP </dev/null
./run_client.sh "bob-$$" 5555 UDP </dev/null | tail -n 3
code=0
./run_client.sh carol 1111 SCTP >/dev/null 2>&1 || code=$?
[ "$code" -eq 2 ]

echo "== from this host"
kvpaxos put --servers 127.0.0.1:1111 from-host tcp
[ "$(kvpaxos get --transport udp --servers 127.0.0.1:5555 from-host)" = tcp ]
[ "$(inside get --servers r4:1111 from-host)" = tcp ]

echo "== two of five are killed"
container() { "$ENGINE" ps --all --quiet --filter "label=com.docker.compose.project=$PROJECT" --filter "label=com.docker.compose.service=$1"; }
"$ENGINE" kill "$(container r1)" "$(container r3)" >/dev/null
inside put --servers "$servers" during yes
# Containers that were killed by hand stay down: deploying again starts them on their volumes.
./deploy.sh
[ "$(inside get --servers r3:1111 during)" = yes ]
[ "$(inside get --servers r1:1111 from-host)" = tcp ]
for _ in $(seq 60); do
    healthy=$("$ENGINE" ps --quiet --filter "label=com.docker.compose.project=$PROJECT" --filter health=healthy | wc -l)
    if [ "$healthy" -eq 5 ]; then break; fi
    sleep 1
done
[ "$healthy" -eq 5 ] || { echo "only $healthy containers are healthy"; "$ENGINE" ps; exit 1; }
echo "containers: two were killed and came back, and nothing was lost"
