#!/bin/sh
# Starts what ROLE names; settings come from the environment (deploy/README.md), further arguments go to the command.
set -eu

healthy() { # the liveness of this container: its own process listens, or (client) runs
  case "$ROLE" in
    serve) python -c "import os,urllib.request as u; u.urlopen('http://127.0.0.1:%s/healthz' % os.environ['PORT'], timeout=2)" ;;
    *) kill -0 1 ;;
  esac
}

if [ "${1:-}" = healthy ]; then healthy; exit; fi

rtc="--rtc-ports $RTC_PORTS"
if [ -n "${RTC_PUBLIC:-}" ]; then rtc="$rtc --rtc-public $RTC_PUBLIC"; fi
if [ -n "${ICE_SERVER:-}" ]; then rtc="$rtc --ice-server $ICE_SERVER"; fi

# shellcheck disable=SC2086  # $rtc is several words on purpose
case "$ROLE" in
  server) exec telltale stream serve --host "$HOST" --port "$PORT" --scene "${SCENE:-plain}" --every "${EVERY:-30}" $rtc "$@" ;;
  client) exec telltale stream watch --host "$SERVER" --port "$PORT" --reconnect --patience "${PATIENCE:-600}" $rtc "$@" ;;
  serve) exec telltale serve "${BUNDLE:-/bundle}" --host "$HOST" --port "$PORT" $rtc "$@" ;;
  *) echo "ROLE: expected server, client or serve, got '$ROLE'" >&2; exit 2 ;;
esac
