#!/usr/bin/env bash
# Builds the image `kvpaxos`: a static program on `scratch`. Needs the Rust toolchain, the C library's static files (libc6-dev, glibc-static)
# and a container engine; pulls no other image.
#
#   build.sh             builds the program and the image
#   build.sh --program   only builds the program, and prints its path
#
# ENGINE: the container engine (default: docker). BUILD_PACKAGE, BUILD_PROGRAM, BUILD_VOLUME: the crate, its program, which gives the image its
# name, and the directory of its volume (default: those of the server; kvpaxos-sim/deploy/build.sh sets those of the simulator).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
engine=${ENGINE:-docker}
package=${BUILD_PACKAGE:-kvpaxos-net}
name=${BUILD_PROGRAM:-kvpaxos}
volume=${BUILD_VOLUME:-data}
target=$(rustc -vV | sed -n 's/^host: //p')
directory=${CARGO_TARGET_DIR:-target}/static
program=$directory/$target/release/$name

# With a target named, the flags are not those of build scripts, which need no static library.
RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --release --locked --quiet -p "$package" --bin "$name" --target "$target" --target-dir "$directory"
if [ "${1:-}" = --program ]; then
    echo "$program"
    exit 0
fi

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/$volume"
cp "$program" "$context/$name"
cp "$package/deploy/Dockerfile" "$context/Dockerfile"
"$engine" build --quiet --tag "$name" "$context"
