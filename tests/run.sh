#!/bin/bash
# Everything that must hold before a change is proposed, in a fresh clone as in a worked-in tree:
#
#   tests/run.sh               all stages, under half an hour on two cores where ccache knows most of it
#   tests/run.sh --quick       unit and integration tests of the release build
#   tests/run.sh --only LIST   these stages, in this order: packages,release,asan,tsan,fuzz,format,tidy
#
# Each stage runs whatever became of those before it. The last line is "N passed, N failed": a unit test, a
# pytest test, a fuzz target, each of the two format checks and the tidy check count one, and so does a stage that
# breaks before it can count. The exit code is 0 only if nothing failed.
#
# SPORTELLO_JOBS   processes at once (default: one a core)
# FUZZ_SECONDS     for each fuzz target (default: 10); 0: what is in its corpus and no more
set -uo pipefail
exec </dev/null
cd "$(dirname "$0")/.." || exit 1

all_stages="packages release asan tsan fuzz format tidy"
units=(protocol conf cache proxy portal)  # folders with unit tests
jobs=${SPORTELLO_JOBS:-$(nproc)}
python=/usr/bin/python3  # Debian's own: it sees the packages that packages.txt names
passed=0
failed=0
failures=()
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

# What was compiled in one clone need not be compiled in the next.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

usage() { sed -n '2,14s/^# \{0,1\}//p' "$0"; }

# ---- counting ----

pass() { passed=$((passed + $1)); }

fail() {  # fail COUNT WHAT
  failed=$((failed + $1))
  failures+=("$2")
}

# count_report FILE STATUS WHAT: adds up what a JUnit report says. A run that failed without a failed test in
# its report (it crashed, hung, or collected nothing it should have) is one failure.
count_report() {
  local file=$1 status=$2 what=$3 counts run=0 bad=0
  counts=$("$python" - "$file" <<'PYTHON'
import sys
import xml.etree.ElementTree as tree

try:
    suites = [e for e in tree.parse(sys.argv[1]).iter("testsuite")]
except (OSError, tree.ParseError):
    suites = []
number = lambda name: sum(int(suite.get(name) or 0) for suite in suites)
bad = number("failures") + number("errors")
print(number("tests") - number("skipped") - number("disabled") - bad, bad)
PYTHON
  ) && read -r run bad <<<"$counts"
  pass "$run"
  if [ "$bad" -gt 0 ]; then
    fail "$bad" "$what: $bad tests"
  elif [ "$status" -ne 0 ]; then
    fail 1 "$what: ended with status $status"
  fi
}

# ---- stages ----

build() {  # build PRESET [TARGET...]: configured and built, or one failure
  local preset=$1
  shift
  if ! cmake --preset "$preset" -DSPORTELLO_WERROR=ON >"$reports/configure" 2>&1; then
    cat "$reports/configure"
    fail 1 "$preset: does not configure"
    return 1
  fi
  # What ninja says of a build that goes well is one line for each file.
  if ! ninja -C "build/$preset" -j "$jobs" "${@:-all}" >"$reports/build" 2>&1; then
    grep -A 20 'FAILED:' "$reports/build" | head -n 200
    fail 1 "$preset: does not build"
    return 1
  fi
  echo "built after $((SECONDS - started)) s"
}

# Each test program once, whole: a process for each test costs the sanitizers more than the tests do.
unit_tests() {  # unit_tests PRESET FOLDER...
  local preset=$1 name status
  shift
  export reports preset
  # shellcheck disable=SC2016  # the inner shell expands it
  printf '%s_test\n' "$@" | xargs -P "$jobs" -I NAME bash -c 'cd "build/$preset/tests/unit" && timeout -k 30 600 ./NAME --gtest_brief=1 \
    --gtest_output="xml:$reports/$preset-NAME.xml" >"$reports/$preset-NAME.log" 2>&1; echo "NAME $?"' >"$reports/unit-$preset"
  while read -r name status; do
    [ "$status" -eq 0 ] || tail -n 200 "$reports/$preset-$name.log"
    count_report "$reports/$preset-$name.xml" "$status" "$preset $name"
  done < <(sort "$reports/unit-$preset")
}

# Two files of tests for each core are under way at once: they wait more than they compute.
run_pytest() {  # run_pytest PRESET PATIENCE REPORT PATH... [pytest options]
  local preset=$1 patience=$2 report=$3
  shift 3
  SPORTELLO_BIN="$PWD/build/$preset/proxy/sportello" SPORTELLO_BUILD="$PWD/build/$preset" SPORTELLO_TEST_PATIENCE="$patience" \
    timeout -k 30 1200 "$python" -m pytest -q -o addopts='-ra --tb=short' -o cache_dir="$reports/cache-$preset" --junitxml "$report" "$@"
}

# pytest_tests PRESET PATIENCE PATH... [pytest options]: against that preset's binary. Nothing selected is no failure.
# What fails is run once more, alone, and said so: deadlines of real servers are missed on a machine that is busy with
# something else, a broken promise is broken twice. But a program that died, or that a sanitizer reports on, is not asked
# again: such bugs come and go.
pytest_tests() {
  local preset=$1 patience=$2 report="$reports/pytest-$1.xml" again="$reports/pytest-again-$1.xml" status
  shift 2
  run_pytest "$preset" "$patience" "$report" -n "$((jobs * 2))" --dist loadfile "$@"
  status=$?
  [ "$status" -eq 5 ] && status=0
  if [ "$status" -ne 1 ] || grep -qE 'a sanitizer reports|the proxy died with' "$report"; then
    count_report "$report" "$status" "$preset pytest"
    return
  fi
  echo "---- once more, what failed"
  run_pytest "$preset" "$((patience * 2))" "$again" --last-failed "$@"
  status=$?
  local failed_before=$failed failures_before=("${failures[@]}")
  count_report "$report" 0 "$preset pytest"
  failed=$failed_before failures=("${failures_before[@]}")
  count_report "$again" "$status" "$preset pytest"
}

stage_packages() {
  local missing
  missing=$(comm -23 <(grep -vE '^ *(#|$)' tests/packages.txt | sort -u) \
    <(dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' | sed -n 's/^installed //p' | tr -d ',' | tr ' ' '\n' | sort -u))
  if [ -n "$missing" ]; then
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
    # shellcheck disable=SC2086  # a list of words
    install() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing; }
    install || { "${as_root[@]}" apt-get update -q && install; } || fail 1 "packages: not all installed"
  fi
  local node=tests/drivers/node
  if [ -f $node/package-lock.json ] && ! [ $node/node_modules -nt $node/package-lock.json ]; then
    { npm ci --prefix $node --no-audit --no-fund && touch $node/node_modules; } || fail 1 "packages: npm ci"
  fi
}

stage_release() {
  build release || return
  unit_tests release "${units[@]}"
  local folders=(tests/support tests/integration)
  [ -n "$quick" ] || folders+=(tests/drivers)
  pytest_tests release 1 "${folders[@]}"
}

stage_asan() {
  build asan sportello facts_of catalog_of "${units[@]/%/_test}" || return
  local -x ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
  local -x UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  unit_tests asan "${units[@]}"
  SPORTELLO_TEST_WORKERS=4 pytest_tests asan 4 tests/integration --ignore tests/integration/test_portal.py
}

# Threads meet in the worker group and in what workers share.
stage_tsan() {
  build tsan sportello cache_test proxy_test || return
  local -x TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
  unit_tests tsan cache proxy
  SPORTELLO_TEST_WORKERS=4 pytest_tests tsan 8 tests/integration -k workers4
}

fuzz_one() {  # fuzz_one NAME: new inputs go to the build tree, findings too
  local name=$1 work="$PWD/build/fuzz/work/$1" limit="-max_total_time=$FUZZ_SECONDS"
  [ "$FUZZ_SECONDS" -ne 0 ] || limit=-runs=0
  mkdir -p "$work/new" "$work/findings" "tests/fuzz/corpus/$name"
  "build/fuzz/tests/fuzz/fuzz_$name" "$limit" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$work/findings/" "$work/new" "tests/fuzz/corpus/$name" >"$work/log" 2>&1
}

stage_fuzz() {
  build fuzz fuzzers || return
  local -x ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  local program name
  export -f fuzz_one
  export FUZZ_SECONDS=${FUZZ_SECONDS:-10}
  for program in build/fuzz/tests/fuzz/fuzz_*; do
    [ -f "$program" ] && [ -x "$program" ] && echo "${program##*/fuzz_}"
  done | xargs -P "$jobs" -I NAME bash -c 'fuzz_one NAME; echo "NAME $?"' >"$reports/fuzz"
  while read -r name status; do
    if [ "$status" -eq 0 ]; then
      pass 1
      echo "fuzz $name: $(sed -n 's/^stat::number_of_executed_units: */inputs tried: /p' "build/fuzz/work/$name/log")"
    else
      fail 1 "fuzz $name: status $status, see build/fuzz/work/$name"
      tail -n 60 "build/fuzz/work/$name/log"
    fi
  done < <(sort "$reports/fuzz")
}

own_sources() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do [ -f "$file" ] && echo "$file"; done; }

stage_format() {
  if own_sources '*.cc' '*.h' | xargs -r clang-format-14 --dry-run -Werror; then pass 1; else fail 1 "format"; fi
  if "$python" tests/support/secret_compare.py protocol conf cache proxy; then pass 1; else fail 1 "secrets are compared"; fi
}

# The product's sources; the fuzz preset is clang's, so its command lines are what clang-tidy understands.
stage_tidy() {
  if ! cmake --preset fuzz -DSPORTELLO_WERROR=ON >"$reports/configure" 2>&1; then
    cat "$reports/configure"
    fail 1 "tidy: does not configure"
  elif "$python" tests/support/clang_tidy.py build/fuzz "$jobs" conf protocol cache proxy; then
    pass 1
  else
    fail 1 "tidy"
  fi
}

# ---- the run ----

quick=
chosen=
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=1 chosen="packages release" ;;
    --only) chosen="$chosen $(tr , ' ' <<<"${2:?--only wants stages}")" && shift ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

for stage in ${chosen:-$all_stages}; do
  case " $all_stages " in *" $stage "*) ;; *) usage >&2 && exit 2 ;; esac
done
for stage in ${chosen:-$all_stages}; do
  echo "==== $stage"
  started=$SECONDS
  "stage_$stage"
  echo "==== $stage: $((SECONDS - started)) s"
done

for each in "${failures[@]}"; do echo "FAILED $each"; done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
