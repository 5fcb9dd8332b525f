# SPDX-License-Identifier: ISC
# Completion for fish: inboxd, inboxctl, inboxq and inbox-relay.  What there is to complete is read from the
# programs' own help, so that a new command or option is known here, too.

# The command on the line so far; nothing where there is none yet.
function __inbox_command
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
        else if contains -- $word -c --config
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
            return 0
        end
    end
    return 1
end

function __inbox_commands
    set -l program (commandline -opc)[1]
    command $program -h 2>/dev/null | awk '
        /^  [a-z]/ { word = $1; $1 = ""; sub(/^ +/, ""); print word "\t" $0; begun = 1; next }
        begun { exit }'
end

# Of inboxctl a command's options stand below a line "command command ...:" that names it.
function __inbox_options
    set -l program (commandline -opc)[1]
    set -l cmd (__inbox_command)
    set -l name (basename $program)
    set -l asked -h
    if test "$name" = inboxq -a -n "$cmd"
        set asked $cmd -h
    end
    command $program $asked 2>/dev/null | awk -v command="$cmd" -v parts=$name '
        parts == "inboxctl" && /^  [a-z ]+:$/ {
            sub(/:$/, "")
            mine = index(" " $0 " ", " " command " ") > 0
        }
        parts == "inboxctl" && /^$/ { mine = 0 }
        parts == "inboxctl" && !mine { next }
        /^ +-/ {
            for (i = 1; i <= NF && $i ~ /^-/; i++) {
                sub(/,$/, "", $i)
                names[i] = $i
            }
            for (what = ""; i <= NF; i++)
                what = what " " $i
            for (i = 1; i in names; i++)
                print names[i] "\t" substr(what, 2)
            delete names
        }'
end

# The first column of a table of the receiver, where it is there and answers at once.
function __inbox_names
    set -l program (commandline -opc)[1]
    COLUMNS=1000 timeout 2 $program $argv 2>/dev/null | awk 'NR > 1 { print $1 }'
end

function __inbox_is
    contains -- (__inbox_command) $argv
end

for program in inboxd inbox-relay
    complete -c $program -f -a '(__inbox_options)'
    complete -c $program -s c -r -F
end
complete -c inboxctl -f
complete -c inboxctl -s c -l config -r -F
complete -c inboxctl -n "__inbox_options | string match -q -- '--receivers*'" \
    -s R -l receivers -r -F
for option in socket root
    complete -c inboxctl -n "__inbox_options | string match -q -- '--$option*'" \
        -s (string sub -l 1 $option) -l $option -r -F
end
for program in inboxctl inboxq
    complete -c $program -n 'not __inbox_command' -f -a '(__inbox_commands)'
    complete -c $program -n '__inbox_command; and string match -q -- "-*" (commandline -ct)' \
        -f -a '(__inbox_options)'
end
complete -c inboxctl -n '__inbox_is client forget gap' -f \
    -a '(__inbox_names clients --client (commandline -ct)"*" --limit 100)'
complete -c inboxctl -n '__inbox_is pause resume' -f -a '(__inbox_names inboxes)'
