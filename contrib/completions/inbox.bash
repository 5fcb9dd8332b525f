# SPDX-License-Identifier: ISC
# Completion for bash: inboxd, inboxctl, inboxq and inbox-relay.  What there is to complete is read from the
# programs' own help, so that a new command or option is known here, too.

# _inbox_help PROGRAM [COMMAND]: the help that tells the options of the command.
_inbox_help()
{
	case $1 in
	*inboxq) command "$1" ${2:+"$2"} -h 2>/dev/null ;;
	*) command "$1" -h 2>/dev/null ;;
	esac
}

# _inbox_commands PROGRAM: the first words of the first indented lines, if these are no options.
_inbox_commands()
{
	_inbox_help "$1" | awk '/^  [a-z]/ { print $1; begun = 1; next } begun { exit }'
}

# _inbox_options PROGRAM COMMAND: of inboxctl those below a line "command command ...:" with it.
_inbox_options()
{
	_inbox_help "$1" "$2" | awk -v command="$2" -v parts="${1##*/}" '
		parts == "inboxctl" && /^  [a-z ]+:$/ {
			sub(/:$/, "")
			mine = index(" " $0 " ", " " command " ") > 0
		}
		parts == "inboxctl" && /^$/ { mine = 0 }
		parts == "inboxctl" && !mine { next }
		/^ +-/ {
			for (i = 1; i <= NF && $i ~ /^-/; i++) {
				sub(/,$/, "", $i)
				print $i
			}
		}'
}

# _inbox_names TABLE ARGUMENT...: the first column of a table of the receiver; none where it is
# not there, or does not answer at once.
_inbox_names()
{
	COLUMNS=1000 timeout 2 "$_inbox_program" "$@" 2>/dev/null | awk 'NR > 1 { print $1 }'
}

# _inbox_reply CURRENT: offers those lines of standard input that begin so.  Not by compgen -W: that
# expands its words as the shell does, and runs what a client has in its certificate's name.
_inbox_reply()
{
	local line

	while IFS= read -r line; do
		[[ $line != "$1"* ]] || COMPREPLY+=("$line")
	done
}

_inbox()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= i
	local _inbox_program=${COMP_WORDS[0]}

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config) i=$((i + 1)) ;;
		-*) ;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	case $prev in
	-c | --config | -s | --socket | -r | --root | -R | --receivers)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	esac
	case ${_inbox_program##*/}:$command:$cur in
	inboxd:* | inbox-relay:* | inbox*:?*:-*)
		_inbox_reply "$cur" < <(_inbox_options "$_inbox_program" "$command")
		;;
	inboxctl::-* | inboxq::-*)
		mapfile -t COMPREPLY < <(compgen -W '--config --help --version' -- "$cur")
		;;
	inboxctl::* | inboxq::*)
		_inbox_reply "$cur" < <(_inbox_commands "$_inbox_program")
		;;
	inboxctl:client:* | inboxctl:forget:* | inboxctl:gap:*)
		[ "${COMP_WORDS[COMP_CWORD - 1]}" != "$command" ] ||
			_inbox_reply "$cur" < <(_inbox_names clients --client "$cur*" --limit 100)
		;;
	inboxctl:pause:* | inboxctl:resume:*)
		_inbox_reply "$cur" < <(_inbox_names inboxes)
		;;
	inboxq:add:* | inboxq:send:*) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	esac
}

complete -o filenames -o bashdefault -F _inbox inboxd inboxctl inboxq inbox-relay
