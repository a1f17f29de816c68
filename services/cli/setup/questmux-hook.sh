#!/bin/sh
# Hands one hook call of Claude Code to Questmux. Prints nothing, always exits 0, needs no server: what is not taken at
# once waits in the spool, where the server finds it. `questmux setup` wrote this file and `questmux unsetup` removes it.
# Nobody else can read along: the socket, the token and the spool are in folders of this user alone.
exec >/dev/null 2>&1
trap '' HUP INT TERM
umask 077
PATH=${PATH:+$PATH:}/usr/bin:/bin

socket=@SOCKET@
spool=@SPOOL@
headers=@HEADERS@
full=@FULL@ # Files in the spool; with more waiting, calls are let go.

[ -d "$spool" ] && [ ! -t 0 ] || exit 0
body=$(cat)
[ -n "$body" ] || exit 0

# The sender's clock puts calls in order that overtake each other; with the process id it also makes the call's own id.
now=$(date +%s%N) # Where there is no %N, it is left as it is, or out.
case $now in
*[!0-9]* | ??????????) now=$(perl -MTime::HiRes=time -e 'printf "%.0f", time * 1e9') || now=$(date +%s)000000000 ;;
esac
sent_at=${now%??????}
id=hook-$now-$$

# Only what tmux itself can have set, for both become part of a header and of a line of JSON.
pane=$TMUX_PANE tmux=$TMUX
case $pane in *[!%0-9]*) pane= ;; esac
case $tmux in *[!A-Za-z0-9_./,@:=+~\ -]*) tmux= ;; esac

answer=
[ -S "$socket" ] && answer=$(
    printf '%s' "$body" |
        curl -q -s -m 2 --noproxy '*' --unix-socket "$socket" -H "@$headers" -H "X-Event-Id: $id" -H "X-Sent-At: $sent_at" \
            -H "X-Tmux-Pane: $pane" -H "X-Tmux: $tmux" --data-binary @- http://localhost/event
)
case $answer in *'"success":true'*) exit 0 ;; esac

# The server knows the call again by its id, if it has taken it after all.
set -- "$spool"/hook-*.jsonl
[ $# -lt "$full" ] || exit 0
file=$spool/$id
{
    printf '{"id":"%s","received_at":%s,"sent_at":%s,"pane_id":"%s","tmux":"%s","payload":' "$id" "$sent_at" "$sent_at" "$pane" "$tmux"
    printf '%s' "$body" | tr '\n' ' '
    printf '}\n'
} >"$file.part" && mv "$file.part" "$file.jsonl"
exit 0
