# Completion for the programs of builder in bash.
#
# Made from the tables of the programs, so do not edit it: UPDATE_PAGES=1 cargo test -p builder --test documentation
# Installed as /usr/share/bash-completion/completions/builder-server, and linked there for each other program.

_builder() {
    local program=${COMP_WORDS[0]##*/} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    # The flags that fit, those of them that take a value, the commands, which of these is there, and the words after it.
    local flags='' valued='' commands='' command='' count=0
    case $program in
        builder-server)
            flags='--ip --port --worker-listen --client-listen --viewer-listen --socket-mode --socket-group --dir --config-dir --timeout --silence --skip-missed --keep --artifact-limit --console-limit --upload --upload-credentials --hold-back-failed --keep-local --upload-timeout --metrics-file --on-finish --on-finish-timeout --salvage --export-state -v --verbose -q --quiet -h --help --version'
            valued='--ip --port --worker-listen --client-listen --viewer-listen --socket-mode --socket-group --dir --config-dir --timeout --silence --keep --artifact-limit --console-limit --upload --upload-credentials --upload-timeout --metrics-file --on-finish --on-finish-timeout --export-state'
            commands='' ;;
        builder-worker)
            flags='-r --remote --timeout --keep-failed -v --verbose -q --quiet -h --help --version'
            valued='-r --remote --timeout'
            commands='' ;;
        builder-client)
            flags='-r --remote --period --at --timeout --silence --skip-missed --keep --replace --wait --json --platform --env --status --job --since --failed --limit --follow --times --grep --output --previous --last-success -v --verbose -q --quiet -h --help --version'
            valued='-r --remote --period --at --timeout --silence --keep --platform --env --job --since --limit --times --grep --output'
            commands='schedule orb-build reschedule unschedule execute verify info observe observe-latest history logs fetch diff cancel pause resume drain drop-platform undrop-platform names' ;;
        builder-inspect)
            flags='--latest --failed --job --script --console --sha256 --json --output -v --verbose -q --quiet -h --help --version'
            valued='--output'
            commands='' ;;
        builder-upload)
            flags='--upload-credentials --hold-back-failed --timeout -v --verbose -q --quiet -h --help --version'
            valued='--upload-credentials --timeout'
            commands='' ;;
        builder-dashboard)
            flags='-l --listen -r --remote --base-path --title --host --socket-mode --socket-group -v --verbose -q --quiet -h --help --version'
            valued='-l --listen -r --remote --base-path --title --host --socket-mode --socket-group'
            commands='' ;;
    esac
    _builder_count
    case "$program $command" in
        'builder-client schedule') flags='--period --at --timeout --silence --skip-missed --keep --replace --wait --json -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client orb-build') flags='--period --at --timeout --silence --skip-missed --keep --replace -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client reschedule') flags='--period -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client unschedule') flags='-r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client execute') flags='--platform --wait --env --json -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client verify') flags='--platform --env --json -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client info') flags='--platform --json -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client observe') flags='--status --json -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client observe-latest') flags='--platform --job --status --json -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client history') flags='--platform --since --failed --limit --json -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client logs') flags='--platform --failed --follow --times --grep --since --limit --json -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client fetch') flags='--platform --output --json -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client diff') flags='--platform --previous --last-success --json -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client cancel') flags='-r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client pause') flags='-r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client resume') flags='-r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client drain') flags='--wait -r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client drop-platform') flags='-r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client undrop-platform') flags='-r --remote -v --verbose -q --quiet -h --help --version' ;;
        'builder-client names') flags='-r --remote -v --verbose -q --quiet -h --help --version' ;;
    esac
    COMPREPLY=()
    case "$program $before" in
        'builder-server --socket-group') _builder_offer -g; return ;;
        'builder-server --dir') compopt -o filenames; _builder_offer -d; return ;;
        'builder-server --config-dir') compopt -o filenames; _builder_offer -d; return ;;
        'builder-server --upload-credentials') compopt -o default; return ;;
        'builder-server --metrics-file') compopt -o default; return ;;
        'builder-server --on-finish') compopt -o default; return ;;
        'builder-server --export-state') compopt -o default; return ;;
        'builder-client --period') _builder_offer -W 'hourly daily weekly never'; return ;;
        'builder-client --platform') _builder_ask platforms; return ;;
        'builder-client --job') _builder_ask jobs; return ;;
        'builder-client --times') _builder_offer -W 'relative absolute none'; return ;;
        'builder-client --output') compopt -o filenames; _builder_offer -d; return ;;
        'builder-inspect --output') compopt -o filenames; _builder_offer -d; return ;;
        'builder-upload --upload-credentials') compopt -o default; return ;;
        'builder-dashboard --socket-group') _builder_offer -g; return ;;
    esac
    # A value that nobody can guess.
    case " $valued " in
        *" $before "*) return ;;
    esac
    case $word in
        -*) _builder_offer -W "$flags"; return ;;
    esac
    if [ -n "$commands" ] && [ -z "$command" ]; then
        _builder_offer -W "$commands"
        return
    fi
    case "$program $command" in
        'builder-worker ') if ((count == 0)); then _builder_ask platforms; fi ;;
        'builder-client schedule') if ((count == 0)); then _builder_ask jobs; fi; if ((count == 1)); then _builder_ask platforms; fi; if ((count == 2)); then compopt -o default; fi ;;
        'builder-client orb-build') if ((count == 0)); then _builder_ask jobs; fi ;;
        'builder-client reschedule') if ((count == 0)); then _builder_ask jobs; fi ;;
        'builder-client unschedule') if ((count == 0)); then _builder_ask jobs; fi ;;
        'builder-client execute') if ((count == 0)); then _builder_ask jobs; fi ;;
        'builder-client verify') if ((count == 0)); then _builder_ask jobs; fi ;;
        'builder-client info') _builder_ask jobs ;;
        'builder-client observe') if ((count == 0)); then _builder_ask builds; fi ;;
        'builder-client history') if ((count == 0)); then _builder_ask jobs; fi ;;
        'builder-client logs') if ((count == 0)); then _builder_ask jobs builds; fi ;;
        'builder-client fetch') if ((count == 0)); then _builder_ask jobs builds; fi ;;
        'builder-client diff') if ((count == 0)); then _builder_ask jobs builds; fi; if ((count == 1)); then _builder_ask builds; fi ;;
        'builder-client cancel') if ((count == 0)); then _builder_ask jobs builds; fi ;;
        'builder-client pause') if ((count == 0)); then _builder_ask platforms; fi ;;
        'builder-client resume') if ((count == 0)); then _builder_ask platforms; fi ;;
        'builder-client drop-platform') if ((count == 0)); then _builder_ask platforms; fi ;;
        'builder-client undrop-platform') if ((count == 0)); then _builder_ask platforms; fi ;;
        'builder-client names') _builder_offer -W 'jobs platforms builds' ;;
        'builder-inspect ') compopt -o default ;;
        'builder-upload ') if ((count >= 1)); then compopt -o default; fi ;;
    esac
}

# Offers what compgen makes of these arguments and the word at the cursor.
_builder_offer() {
    mapfile -t COMPREPLY < <(compgen "$@" -- "$word")
}

# Offers what the server knows by name. Others have chosen the names, so nothing in them may count for the shell.
_builder_ask() {
    local remote=() name quoted
    if [[ $COMP_LINE =~ [[:space:]](-r|--remote)[[:space:]=]+([^[:space:]]+)[[:space:]] ]]; then
        remote=(--remote "${BASH_REMATCH[2]}")
    fi
    while IFS= read -r name; do
        printf -v quoted %q "$name"
        if [[ $name == "$word"* || $quoted == "$word"* ]]; then COMPREPLY+=("$quoted"); fi
    done < <(builder-client names "$@" "${remote[@]}" 2>/dev/null)
}

# Finds the command before the cursor, and counts the words that are neither flags nor their values.
_builder_count() {
    local index=1
    while ((index < COMP_CWORD)); do
        case ${COMP_WORDS[index]} in
            -*) case " $valued " in
                    *" ${COMP_WORDS[index]} "*) index=$((index + 1)) ;;
                esac
                if [ "${COMP_WORDS[index]}" = '=' ]; then index=$((index + 1)); fi ;;
            # bash takes host:port for three words.
            :)  index=$((index + 1)) ;;
            *)  if [ -z "$commands" ] || [ -n "$command" ]; then
                    count=$((count + 1))
                else
                    case " $commands " in
                        *" ${COMP_WORDS[index]} "*) command=${COMP_WORDS[index]} ;;
                    esac
                fi ;;
        esac
        index=$((index + 1))
    done
}

complete -F _builder builder-server builder-worker builder-client builder-inspect builder-upload builder-dashboard
