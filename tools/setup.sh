#!/usr/bin/env bash
# Brings a fresh Debian machine with Python and apt to where telltale builds, runs and passes its tests.
# Says what it installs; does nothing that is already done.
# Usage: tools/setup.sh [web] [python] [browser] [cross] [armhf] [fuzz] [peer]
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '\033[1msetup\033[0m %s\n' "$*" >&2; }

apt_updated=
apt_get() { # apt_get PACKAGE...: installs, or says how to
  local sudo=
  if [ "$(id -u)" != 0 ]; then sudo=$(command -v sudo || true); fi
  if ! command -v apt-get >/dev/null || { [ "$(id -u)" != 0 ] && [ -z "$sudo" ]; }; then
    say "cannot install $* here (no apt, or no right to): install it yourself, then run this again"
    return 1
  fi
  if [ -z "$apt_updated" ]; then $sudo apt-get update -qq; apt_updated=1; fi
  say "installing with apt: $*"
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

python_part() {
  local python=${PYTHON:-python3} stamp=.venv/.telltale-ready
  if [ -f $stamp ] && [ $stamp -nt pyproject.toml ]; then return; fi
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { say "telltale needs Python 3.11 or newer, got $("$python" --version); set PYTHON=..."; exit 1; }
  if [ ! -x .venv/bin/python ]; then
    "$python" -c 'import ensurepip' 2>/dev/null || apt_get python3-venv
    say "making .venv with $("$python" --version)"
    "$python" -m venv .venv
  fi
  say "installing the Python packages of telltale-vision[all] into .venv (torch 2.13.0, CPU; a few minutes)"
  .venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0
  .venv/bin/pip install --quiet --disable-pip-version-check -e '.[all]'
  touch $stamp
}

web_part() {
  local stamp=web/vendor/versions.json
  if [ -f $stamp ] && [ ! web/package-lock.json -nt $stamp ] && [ ! web/vendor.mjs -nt $stamp ]; then return; fi
  command -v npm >/dev/null || apt_get nodejs npm
  say "installing the npm files of the pages (three, onnxruntime-web, lit) into web/vendor"
  (cd web && npm ci --silent --ignore-scripts && npm run --silent vendor >&2)
}

browser_part() {
  for name in "${TELLTALE_CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$name" ] && command -v "$name" >/dev/null; then return; fi
  done
  apt_get chromium fonts-dejavu-core
}

cross_part() { # for the C runtime inside cameras; nothing else needs it
  local missing=()
  command -v arm-linux-gnueabihf-gcc >/dev/null || missing+=(gcc-arm-linux-gnueabihf libc6-dev-armhf-cross)
  command -v qemu-arm >/dev/null || missing+=(qemu-user)
  command -v valgrind >/dev/null || missing+=(valgrind)
  [ -f /usr/include/jpeglib.h ] || missing+=(libjpeg62-turbo-dev)
  command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ] || missing+=(mosquitto) # to publish to, in tests
  command -v mosquitto_sub >/dev/null || missing+=(mosquitto-clients)
  [ ${#missing[@]} = 0 ] || apt_get "${missing[@]}" || say "going on without a cross-compiler"
  armhf_part
}

fuzz_part() { # clang with libFuzzer; only `make fuzz` needs it
  command -v clang >/dev/null || apt_get clang
  local version
  version=$(clang -dumpversion | cut -d. -f1)
  [ -n "$(find /usr/lib/llvm-"$version"/lib/clang -name 'libclang_rt.fuzzer-*.a' -print -quit 2>/dev/null)" ] ||
    apt_get "libclang-rt-$version-dev"
}

armhf_part() {
  armhf_jpeg || say "going on without libjpeg-turbo for ARMv7: telltale-cam is then built for this machine only"
}

# Debian's libjpeg-turbo for armhf (headers and libjpeg.a) into .cache/armhf, or TELLTALE_ARMHF. Unpacked beside the system, not installed
# in it: `dpkg --add-architecture armhf` wants every shared package at one version and changes every later apt update.
armhf_jpeg() {
  local root=${TELLTALE_ARMHF:-$PWD/.cache/armhf}
  [ ! -f "$root/usr/lib/arm-linux-gnueabihf/libjpeg.a" ] || return 0
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
  say "unpacking libjpeg-turbo for ARMv7 into $root"
  mkdir -p "$root/lists/partial" "$root/archives/partial"
  local apart=(-oAPT::Architecture=armhf -oAPT::Architectures=armhf -oDir::State::Lists="$root/lists"
    -oDir::Cache="$root" -oDir::State::status=/dev/null -oDebug::NoLocking=1 -oAPT::Sandbox::User="$(id -un)")
  apt-get "${apart[@]}" update -qq >/dev/null 2>&1 || true # one list that is just being renewed must not stop us
  (cd "$root" && apt-get "${apart[@]}" download -qq libjpeg62-turbo-dev >/dev/null && dpkg -x ./*.deb . && rm -f ./*.deb) || return 1
  rm -rf "$root/lists" "$root/archives" "$root"/*.bin
  [ -f "$root/usr/lib/arm-linux-gnueabihf/libjpeg.a" ]
}

peer_part() { # a second WebRTC implementation for the tests of WHIP; nothing else needs it
  /usr/bin/python3 -c 'import gi; gi.require_version("GstWebRTC", "1.0"); gi.require_version("Nice", "0.1")' 2>/dev/null && return
  apt_get gstreamer1.0-plugins-bad gstreamer1.0-plugins-good gstreamer1.0-plugins-base gstreamer1.0-nice python3-gi \
    gir1.2-gst-plugins-bad-1.0 gir1.2-gst-plugins-base-1.0 gir1.2-nice-0.1 || say "going on without GStreamer as a peer"
}

for part in "${@:-web python browser cross peer}"; do
  for name in $part; do "${name}_part"; done
done
