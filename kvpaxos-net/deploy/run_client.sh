#!/usr/bin/env bash
# Starts a client in a container beside the replicas that `deploy.sh` started: it stores some keys, then puts, gets and deletes five each,
# and then gives a prompt.
#
#   run_client.sh NAME PORT TCP|UDP
#
# NAME: the name of the container and of the client in its log. PORT: the replicas' port, 1111 for TCP and 5555 for UDP.
# ENGINE, PROJECT: as for deploy.sh.
set -euo pipefail
usage() { echo "usage: $0 NAME PORT TCP|UDP   (port 1111 for TCP, 5555 for UDP)" >&2; exit 2; }
[ $# -eq 3 ] || usage
name=$1 port=$2
case $3 in
    TCP | tcp) transport=tcp ;;
    UDP | udp) transport=udp ;;
    *) usage ;;
esac
[[ $port =~ ^[0-9]+$ ]] || usage
servers=r0:$port,r1:$port,r2:$port,r3:$port,r4:$port
# A terminal only if there is one, so that input may be a pipe.
terminal=()
if [ -t 0 ] && [ -t 1 ]; then terminal=(--tty); fi
exec "${ENGINE:-docker}" run --rm --interactive "${terminal[@]}" --name "$name" --network "${PROJECT:-kvpaxos}_replicas" kvpaxos \
    client "$name" --transport "$transport" --servers "$servers" --walkthrough
