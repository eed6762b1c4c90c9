#!/usr/bin/env bash
# Builds the image, starts five replicas in containers, and waits until they serve. TCP port 1111 and UDP port 5555 of this host then reach
# one of them.
#
#   deploy.sh          builds and starts; run again, it replaces what has changed, and keeps the data
#   deploy.sh down     stops the replicas and keeps their data
#   deploy.sh delete   stops them and deletes their data
#
# ENGINE: the container engine (default: docker). PROJECT: what the names of containers and volumes begin with (default: kvpaxos).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
engine=${ENGINE:-docker}
export COMPOSE_PROJECT_NAME=${PROJECT:-kvpaxos}

compose() {
    if "$engine" compose version >/dev/null 2>&1; then
        "$engine" compose --file "$here/compose.yaml" "$@"
    elif command -v docker-compose >/dev/null; then
        docker-compose --file "$here/compose.yaml" "$@"
    else
        echo "neither '$engine compose' nor docker-compose is installed" >&2
        exit 1
    fi
}

case ${1:-up} in
    up) ;;
    down) compose down; exit ;;
    delete) compose down --volumes; exit ;;
    *) echo "$0: $1 is not known; say nothing, down, or delete" >&2; exit 2 ;;
esac

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "building the image"
"$here/build.sh" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
echo "starting five replicas"
compose up --detach >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
servers=r0:1111,r1:1111,r2:1111,r3:1111,r4:1111
for _ in $(seq 60); do
    if status=$("$engine" run --rm --network "${COMPOSE_PROJECT_NAME}_replicas" kvpaxos status --servers "$servers" 2>&1); then
        printf '%s\n\nfive replicas serve; TCP 127.0.0.1:1111 and UDP 127.0.0.1:5555 reach r0\n' "$status"
        exit 0
    fi
    sleep 1
done
compose logs --tail 3 >&2
printf '%s\nthe replicas do not serve after a minute; their last log lines are above\n' "$status" >&2
exit 1
