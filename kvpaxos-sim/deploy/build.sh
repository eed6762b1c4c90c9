#!/usr/bin/env bash
# Builds the image `kvpaxos-sim`, as `kvpaxos-net/deploy/build.sh` builds that of the server: see there.
set -euo pipefail
export BUILD_PACKAGE=kvpaxos-sim BUILD_PROGRAM=kvpaxos-sim BUILD_VOLUME=receipts
exec "$(dirname "${BASH_SOURCE[0]}")/../../kvpaxos-net/deploy/build.sh" "$@"
