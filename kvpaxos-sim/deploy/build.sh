#!/usr/bin/env bash
# Builds the image `kvpaxos-sim`: a static program on `scratch`. Needs the Rust toolchain, the C library's static files (libc6-dev,
# glibc-static) and a container engine; pulls no other image.
#
#   build.sh             builds the program and the image
#   build.sh --program   only builds the program, and prints its path
#
# ENGINE: the container engine (default: docker).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
engine=${ENGINE:-docker}
target=$(rustc -vV | sed -n 's/^host: //p')
directory=${CARGO_TARGET_DIR:-target}/static
program=$directory/$target/release/kvpaxos-sim

# With a target named, the flags are not those of build scripts, which need no static library.
RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --release --locked --quiet -p kvpaxos-sim --bin kvpaxos-sim --target "$target" --target-dir "$directory"
if [ "${1:-}" = --program ]; then
    echo "$program"
    exit 0
fi

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/receipts"
cp "$program" "$context/kvpaxos-sim"
cp kvpaxos-sim/deploy/Dockerfile "$context/Dockerfile"
"$engine" build --quiet --tag kvpaxos-sim "$context"
