#!/usr/bin/env bash
# Plays the job files on this machine, for a few seeds: each shard as a process with the variables that the scheduler would set; then all
# receipts are merged, and must say the same as one sweep.
#
#   kvpaxos-sim/deploy/test.sh PROGRAM
set -euo pipefail
sim=$(realpath "${1:?the program kvpaxos-sim}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
seeds=9..15
count=3

digest() { "$sim" merge "$@" | sed -n 's/^  digest *//p'; }

"$sim" sweep --seeds "$seeds" --receipt "$scratch/whole.json" >"$scratch/whole.txt"
whole=$(digest "$scratch/whole.json")
[ -n "$whole" ] || { echo "merge prints no digest"; exit 1; }

# The arguments that the pods of a job file get, with other numbers and another directory.
arguments() { # FILE DIRECTORY
    local line
    line=$(sed -n 's/^ *args: \[\(.*\)\]$/\1/p' "$1" | tr -d '",')
    [ -n "$line" ] || { echo "$1 has no line with args" >&2; return 1; }
    grep -q "^  completions: 64$" "$here/kubernetes/sweep.yaml" || { echo "not 64 completions, as in auto/64" >&2; return 1; }
    sed "s|0\.\.1000000|$seeds|; s|auto/64|auto/$count|; s|/receipts|$2|" <<<"$line"
}

mkdir "$scratch/kubernetes"
for ((index = 0; index < count; index++)); do
    read -ra words <<<"$(arguments "$here/kubernetes/sweep.yaml" "$scratch/kubernetes")"
    JOB_COMPLETION_INDEX=$index "$sim" "${words[@]}" >"$scratch/log"
done
read -ra words <<<"$(arguments "$here/kubernetes/merge.yaml" "$scratch/kubernetes")"
"$sim" "${words[@]}" >"$scratch/log"
[ "$(digest "$scratch/kubernetes")" = "$whole" ] || { echo "Kubernetes: the shards are not the whole"; cat "$scratch/log"; exit 1; }
echo "Kubernetes: $count shards of seeds $seeds are the whole"

for ((task = 1; task <= count; task++)); do
    SIM=$sim SEEDS=$seeds RECEIPTS=$scratch/slurm SLURM_CPUS_PER_TASK=1 SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_MIN=1 \
        SLURM_ARRAY_TASK_MAX=$count SLURM_ARRAY_TASK_COUNT=$count bash "$here/slurm/sweep.sbatch" >"$scratch/log"
done
[ "$(digest "$scratch/slurm")" = "$whole" ] || { echo "Slurm: the shards are not the whole"; exit 1; }
echo "Slurm: $count shards of seeds $seeds are the whole"

# One shard is missing: 5 says so.
rm "$scratch/slurm/shard-1-of-$count.json"
ended=0
"$sim" merge "$scratch/slurm" >"$scratch/log" || ended=$?
[ "$ended" -eq 5 ] && grep -q '^  missing  *11\.\.13$' "$scratch/log" || { cat "$scratch/log"; echo "merge ended with $ended"; exit 1; }
echo "a shard that is missing is named"

# Killed once its receipt has seeds, and started again.
"$sim" sweep --seeds 9..100000 --jobs 1 --receipt "$scratch/killed.json" >/dev/null 2>&1 &
until grep -q '^    "seeds": [1-9]' "$scratch/killed.json" 2>/dev/null; do sleep 0.1; done
kill -9 $!
wait $! 2>/dev/null || true
before=$("$sim" merge "$scratch/killed.json" | sed -n '1s/ of the .*//p') || true
"$sim" sweep --seeds 9..100000 --receipt "$scratch/killed.json" --resume --at-most 2 >/dev/null
swept=$("$sim" merge "$scratch/killed.json" | sed -n '1s/ of the .*//p') || true
[ "$swept" -eq $((before + 2)) ] || { echo "$before seeds and 2 more are $swept"; exit 1; }
echo "a sweep that was killed after $before seeds goes on: $swept seeds"
