# Completion for the programs of builder in bash.
#
# Installed as /usr/share/bash-completion/completions/builder-server, and linked there for each other program.

_builder() {
    local program=${COMP_WORDS[0]##*/} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local common='-v --verbose -q --quiet -h --help --version' options='' words=''
    case $program in
        builder-server)
            options='--ip --port --worker-listen --client-listen --socket-mode --socket-group --dir --config-dir
                --timeout --artifact-limit --console-limit --upload --upload-credentials --keep-local
                --upload-timeout --hold-back-failed --salvage --export-state' ;;
        builder-worker)
            options='-r --remote --timeout' ;;
        builder-client)
            options='-r --remote --period --platform --job --json'
            words='schedule orb-build reschedule unschedule execute info observe observe-latest drop-platform
                undrop-platform' ;;
        builder-inspect)
            options='--latest --failed --job --script --console --json --output' ;;
        builder-upload)
            options='--upload-credentials --hold-back-failed --timeout' ;;
    esac
    COMPREPLY=()
    case $before in
        --period)
            mapfile -t COMPREPLY < <(compgen -W 'hourly daily weekly never' -- "$word")
            return ;;
        --upload-credentials | --export-state)
            compopt -o default
            return ;;
        --dir | --config-dir | --output)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -d -- "$word")
            return ;;
        --socket-group)
            mapfile -t COMPREPLY < <(compgen -g -- "$word")
            return ;;
        # What nobody can guess.
        -r | --remote | --ip | --port | --worker-listen | --client-listen | \
            --socket-mode | --timeout | --upload-timeout | --artifact-limit | --console-limit | --upload | --platform)
            return ;;
        --job)
            if [ "$program" = builder-client ]; then return; fi ;;
    esac
    case $word in
        -*) mapfile -t COMPREPLY < <(compgen -W "$options $common" -- "$word") ;;
        *)  if [ "$program" = builder-client ] && ! _builder_has_command "$words"; then
                mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
            elif _builder_takes_file "$program"; then
                compopt -o default
            fi ;;
    esac
}

# Whether the word at the cursor is a file: the results of inspect and upload, and the script after 'schedule NAME
# PLATFORM'.
_builder_takes_file() {
    local index=1 words=()
    while ((index < COMP_CWORD)); do
        case ${COMP_WORDS[index]} in
            -r | --remote | --period | --platform | --output | --upload-credentials | --timeout) index=$((index + 1)) ;;
            -*) ;;
            *) words+=("${COMP_WORDS[index]}") ;;
        esac
        index=$((index + 1))
    done
    case $1 in
        builder-inspect) return 0 ;;
        builder-upload) [ "${#words[@]}" -ge 1 ] ;;
        builder-client) [ "${words[0]}" = schedule ] && [ "${#words[@]}" -eq 3 ] ;;
        *) return 1 ;;
    esac
}

# Whether one of these words stands before the cursor.
_builder_has_command() {
    local index
    for ((index = 1; index < COMP_CWORD; index++)); do
        case " ${1//[[:space:]]/ } " in
            *" ${COMP_WORDS[index]} "*) return 0 ;;
        esac
    done
    return 1
}

complete -F _builder builder-server builder-worker builder-client builder-inspect builder-upload
