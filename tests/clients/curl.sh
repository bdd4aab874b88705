#!/bin/sh
# A shell script around curl, which joins its -d options by &, and sends a form's Content-Type. QQ_PROXY may be empty.
set -eu
sequence=6000

send() {
    command=$1
    shift
    sequence=$((sequence + 1))
    curl --silent --show-error --fail --noproxy '' --proxy "$QQ_PROXY" "http://$QQ_SERVER/" \
        -d VER=1.1 -d "CMD=$command" -d "SEQ=$sequence" -d "UIN=$QQ_UIN" "$@"
}

hash=$(printf %s "$QQ_PASSWORD" | md5sum | cut -c 1-32)
case $(send Login -d "PS=$hash" -d M5=1 -d LC=9326B87B234E7235) in
    *"RES=0&RS=0"*) ;;
    *) echo "not logged in"; exit 1 ;;
esac
send CLTMSG -d "UN=$QQ_FRIEND" --data-urlencode "MG=$QQ_TEXT" >/dev/null
send GetMsgEx >/dev/null
send Logout >/dev/null
echo done
