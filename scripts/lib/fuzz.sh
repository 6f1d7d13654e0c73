# Runs fuzzers for a limited time. Source it after common.sh.
#
#   fuzz_all FOLDER SECONDS   runs each FOLDER/*_fuzz for SECONDS, as many at once as there are processors. Each starts from
#                             its seeds and from what earlier runs found (FOLDER/NAME_found). An input that ends a fuzzer
#                             is kept in FOLDER/NAME_crash-… and makes fuzz_all fail
fuzz_one() { # FOLDER NAME SECONDS
  local folder=$1 name=$2 seconds=$3
  mkdir -p "$folder/${name}_found"
  "$folder/${name}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="$folder/${name}_" "$folder/${name}_found" $(ls -d "$folder/${name}_seeds" 2>/dev/null) \
    >"$folder/$name.log" 2>&1 && return
  grep -hE 'ERROR|SUMMARY|Test unit written' "$folder/$name.log" >&2
  return 1
}

fuzz_all() {
  local folder=$1 seconds=$2 failed=0 path name
  export -f fuzz_one
  printf '%s\n' "$folder"/*_fuzz | sed 's|.*/\(.*\)_fuzz$|\1|' |
    xargs -P "$(nproc)" -I{} bash -c 'fuzz_one "$@"' _ "$folder" {} "$seconds" || failed=1
  for path in "$folder"/*_fuzz; do
    name=$(basename "$path" _fuzz)
    say "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$name.log") inputs"
  done
  return $failed
}
