# Completion for the programs of builder in fish.
#
# Made from the tables of the programs, so do not edit it: UPDATE_PAGES=1 cargo test -p builder --test documentation
# Installed as /usr/share/fish/vendor_completions.d/builder-server.fish, and linked there for each other program.

# Prints the words before the cursor that are neither flags nor their values.
function __builder_words
    set -l tokens (commandline -opc)
    set -l valued
    switch (string replace -r '.*/' '' -- $tokens[1])
        case builder-server
            set valued --ip --port --worker-listen --client-listen --viewer-listen --socket-mode --socket-group --dir --config-dir --timeout --silence --keep --artifact-limit --console-limit --upload --upload-credentials --upload-timeout --metrics-file --on-finish --on-finish-timeout --export-state
        case builder-worker
            set valued -r --remote --timeout
        case builder-client
            set valued -r --remote --period --at --timeout --silence --keep --platform --env --job --since --limit --times --grep --output
        case builder-inspect
            set valued --output
        case builder-upload
            set valued --upload-credentials --timeout
        case builder-dashboard
            set valued -l --listen -r --remote --base-path --title --host --socket-mode --socket-group
    end
    set -l is_value no
    for token in $tokens[2..]
        if test $is_value = yes
            set is_value no
        else if contains -- $token $valued
            set is_value yes
        else if not string match -q -- '-*' $token
            echo $token
        end
    end
end

# Prints what the server knows by name.
function __builder_ask
    set -l tokens (commandline -opc)
    set -l remote
    if set -l place (contains -i -- -r $tokens; or contains -i -- --remote $tokens)
        set remote --remote $tokens[(math $place[1] + 1)]
    end
    builder-client names $argv $remote 2>/dev/null
end

# Whether no command is there yet, or one of these.
function __builder_goes_with
    set -l words (__builder_words)
    test (count $words) -eq 0; or contains -- $words[1] $argv
end

# Whether so many words are there, the first of which is this command, if one is given: -eq 3 schedule.
function __builder_has
    set -l words (__builder_words)
    test (count $words) $argv[1] $argv[2]; or return 1
    test (count $argv) -lt 3; or test "$words[1]" = $argv[3]
end

complete -c builder-server -f
complete -c builder-server -l ip -x -d 'Listen on this address'
complete -c builder-server -l port -x -d 'Listen on this port; 0 means any free port'
complete -c builder-server -l worker-listen -x -d 'Listen for workers on this address only; may be repeated'
complete -c builder-server -l client-listen -x -d 'Listen for clients on this address only; may be repeated'
complete -c builder-server -l viewer-listen -x -d 'Listen on this address for clients that may only look; may be repeated'
complete -c builder-server -l socket-mode -x -d 'The mode of sockets for unix:PATH'
complete -c builder-server -l socket-group -x -a '(__fish_complete_groups)' -d 'The group of sockets for unix:PATH'
complete -c builder-server -l dir -x -a '(__fish_complete_directories)' -d 'Keep schedule, log and results here'
complete -c builder-server -l config-dir -x -a '(__fish_complete_directories)' -d 'Read orb-build templates from here'
complete -c builder-server -l timeout -x -d 'The longest time that a job may run; workers have the same option'
complete -c builder-server -l silence -x -d 'End a build that prints nothing for so long, unless its job says otherwise'
complete -c builder-server -l skip-missed -d 'Do not make up for runs of any job whose time passed while the server was down'
complete -c builder-server -l keep -x -d 'Keep N results of each job, or results for TIME, such as 30d, unless a job says otherwise'
complete -c builder-server -l artifact-limit -x -d 'The maximum size of all artifacts of a build'
complete -c builder-server -l console-limit -x -d 'The maximum size of the console of a build'
complete -c builder-server -l upload -x -d 'Upload results to this http:// or https:// URL once they are stored'
complete -c builder-server -l upload-credentials -r -F -d 'Read the credentials for uploads, one line user:pass, from FILE, so that ps does not show them'
complete -c builder-server -l hold-back-failed -d 'If a build exited with another status than 0, do not upload its files below bin/; if it did not exit, they are never uploaded'
complete -c builder-server -l keep-local -d 'Keep results in DIR after they are uploaded'
complete -c builder-server -l upload-timeout -x -d 'The longest time that one upload may take'
complete -c builder-server -l metrics-file -r -F -d 'Write metrics for Prometheus to this file, every 15 seconds'
complete -c builder-server -l on-finish -r -F -d 'Run this program for every build that has finished, with what is known of it in its environment'
complete -c builder-server -l on-finish-timeout -x -d 'The longest time that the program of --on-finish may take'
complete -c builder-server -l salvage -d 'Start without the damaged parts of the log, which is saved first'
complete -c builder-server -l export-state -r -F -d 'Write the state file of builder 0.4.0 to FILE and exit'
complete -c builder-server -s v -l verbose -d 'Log what happens; twice: log every detail'
complete -c builder-server -s q -l quiet -d 'Log errors only'
complete -c builder-server -s h -l help -d 'Print this help'
complete -c builder-server -l version -d 'Print the versions of program and protocols'

complete -c builder-worker -f
complete -c builder-worker -s r -l remote -x -d 'The server, as HOST:PORT or unix:PATH'
complete -c builder-worker -l timeout -x -d 'The longest time that the job may run'
complete -c builder-worker -l keep-failed -d 'Keep the directory of a failed job, and exit with 3'
complete -c builder-worker -s v -l verbose -d 'Log what happens; twice: log every detail'
complete -c builder-worker -s q -l quiet -d 'Log errors only'
complete -c builder-worker -s h -l help -d 'Print this help'
complete -c builder-worker -l version -d 'Print the versions of program and protocols'
complete -c builder-worker -n '__builder_has -eq 0' -a '(__builder_ask platforms)'

complete -c builder-client -f
complete -c builder-client -n __builder_goes_with -a schedule -d 'Run the script FILE on PLATFORM, now and once per PERIOD; FILE may be - for standard input'
complete -c builder-client -n __builder_goes_with -a orb-build -d 'Build OPAM_PACKAGE on every platform, now and once per PERIOD'
complete -c builder-client -n __builder_goes_with -a reschedule -d 'Run NAME next at TIME, such as 2026-01-02T03:04:05Z; with --period, once per PERIOD from then on'
complete -c builder-client -n __builder_goes_with -a unschedule -d 'Remove NAME from the schedule; a running build continues'
complete -c builder-client -n __builder_goes_with -a execute -d 'Run NAME now; with --platform, only there; with --wait, follow the build to its end'
complete -c builder-client -n __builder_goes_with -a verify -d 'Run NAME twice and print what differs between the artifacts of both builds, if anything does'
complete -c builder-client -n __builder_goes_with -a info -d 'Say whether all is well: last results, what runs, what waits and why; with --platform or names, only these'
complete -c builder-client -n __builder_goes_with -a observe -d 'Print the console of a build, from its start to its end'
complete -c builder-client -n __builder_goes_with -a observe-latest -d 'Print the console of the running build that started last; with --platform or --job, of the last one of those'
complete -c builder-client -n __builder_goes_with -a history -d 'List builds, the newest first: how each ended, how long it took, what is usual, what it left'
complete -c builder-client -n __builder_goes_with -a logs -d 'Print the console of a build, or of the newest build of a job; with --failed, of the newest that failed'
complete -c builder-client -n __builder_goes_with -a fetch -d 'Fetch the artifacts of a build, or those at PATH, and verify them; run it again to go on after a break'
complete -c builder-client -n __builder_goes_with -a diff -d 'Print what differs between two builds, or between a build, such as the newest of a job, and the one before it; if it failed, the last success before it'
complete -c builder-client -n __builder_goes_with -a cancel -d 'End a build that runs, or all builds of a job, and take the job out of all queues'
complete -c builder-client -n __builder_goes_with -a pause -d 'Hand out no jobs on PLATFORM until it is resumed; running builds continue'
complete -c builder-client -n __builder_goes_with -a resume -d 'Hand out jobs on PLATFORM again; without PLATFORM, after \'drain\''
complete -c builder-client -n __builder_goes_with -a drain -d 'Hand out no jobs anywhere until \'resume\'; running builds continue'
complete -c builder-client -n __builder_goes_with -a drop-platform -d 'Remove the queue and the jobs of PLATFORM, and refuse new ones'
complete -c builder-client -n __builder_goes_with -a undrop-platform -d 'Accept jobs for PLATFORM again'
complete -c builder-client -n __builder_goes_with -a names -d 'Print the names of jobs or platforms, or the uuids of the newest builds, which shells complete'
complete -c builder-client -s r -l remote -x -d 'The server, as HOST:PORT or unix:PATH'
complete -c builder-client -n '__builder_goes_with schedule orb-build reschedule' -l period -x -a 'hourly daily weekly never' -d 'How often the job runs: a time such as 6h, or one of'
complete -c builder-client -n '__builder_goes_with schedule orb-build' -l at -x -d 'Run at this time of day, in UTC, and not at once'
complete -c builder-client -n '__builder_goes_with schedule orb-build' -l timeout -x -d 'End a build that takes so long, such as 90m'
complete -c builder-client -n '__builder_goes_with schedule orb-build' -l silence -x -d 'End a build that prints nothing for so long, such as 10m'
complete -c builder-client -n '__builder_goes_with schedule orb-build' -l skip-missed -d 'Do not make up for a run whose time passed while the server was down'
complete -c builder-client -n '__builder_goes_with schedule orb-build' -l keep -x -d 'Keep N results, or results for TIME, such as 30d, or all; may be given once for each'
complete -c builder-client -n '__builder_goes_with schedule orb-build' -l replace -d 'If NAME is scheduled, change that job; it keeps its place in the queue'
complete -c builder-client -n '__builder_goes_with schedule execute drain' -l wait -d 'Print the console, and exit as the build did when it has ended'
complete -c builder-client -n '__builder_goes_with schedule execute verify info observe observe-latest history logs fetch diff' -l json -d 'Print JSON'
complete -c builder-client -n '__builder_goes_with execute verify info observe-latest history logs fetch diff' -l platform -x -a '(__builder_ask platforms)' -d 'Only this platform'
complete -c builder-client -n '__builder_goes_with execute verify' -l env -x -d 'Set a variable in the environment of this run; not for secrets, as all can see it'
complete -c builder-client -n '__builder_goes_with observe observe-latest' -l status -d 'Exit as the build did when it has ended'
complete -c builder-client -n '__builder_goes_with observe-latest' -l job -x -a '(__builder_ask jobs)' -d 'Only builds of this job'
complete -c builder-client -n '__builder_goes_with history logs' -l since -x -d 'Only builds that started since WHEN'
complete -c builder-client -n '__builder_goes_with history logs' -l failed -d 'Only builds that failed'
complete -c builder-client -n '__builder_goes_with history logs' -l limit -x -d 'At most N builds, the newest ones'
complete -c builder-client -n '__builder_goes_with logs' -l follow -d 'Wait for lines to come, up to the end of the build'
complete -c builder-client -n '__builder_goes_with logs' -l times -x -a 'relative absolute none' -d 'What stands in front of each line'
complete -c builder-client -n '__builder_goes_with logs' -l grep -x -d 'Print only lines that match PATTERN; of a job, search all builds'
complete -c builder-client -n '__builder_goes_with fetch' -l output -x -a '(__fish_complete_directories)' -d 'Write below DIR, which is created if it is not there'
complete -c builder-client -n '__builder_goes_with diff' -l previous -d 'Compare with the build before, whether that succeeded or not'
complete -c builder-client -n '__builder_goes_with diff' -l last-success -d 'Compare with the last success before, also if the build succeeded'
complete -c builder-client -s v -l verbose -d 'Log what happens; twice: log every detail'
complete -c builder-client -s q -l quiet -d 'Log errors only'
complete -c builder-client -s h -l help -d 'Print this help'
complete -c builder-client -l version -d 'Print the versions of program and protocols'
complete -c builder-client -n '__builder_has -eq 1 schedule' -a '(__builder_ask jobs)'
complete -c builder-client -n '__builder_has -eq 2 schedule' -a '(__builder_ask platforms)'
complete -c builder-client -n '__builder_has -eq 3 schedule' -F
complete -c builder-client -n '__builder_has -eq 1 orb-build' -a '(__builder_ask jobs)'
complete -c builder-client -n '__builder_has -eq 1 reschedule' -a '(__builder_ask jobs)'
complete -c builder-client -n '__builder_has -eq 1 unschedule' -a '(__builder_ask jobs)'
complete -c builder-client -n '__builder_has -eq 1 execute' -a '(__builder_ask jobs)'
complete -c builder-client -n '__builder_has -eq 1 verify' -a '(__builder_ask jobs)'
complete -c builder-client -n '__builder_has -ge 1 info' -a '(__builder_ask jobs)'
complete -c builder-client -n '__builder_has -eq 1 observe' -a '(__builder_ask builds)'
complete -c builder-client -n '__builder_has -eq 1 history' -a '(__builder_ask jobs)'
complete -c builder-client -n '__builder_has -eq 1 logs' -a '(__builder_ask jobs builds)'
complete -c builder-client -n '__builder_has -eq 1 fetch' -a '(__builder_ask jobs builds)'
complete -c builder-client -n '__builder_has -eq 1 diff' -a '(__builder_ask jobs builds)'
complete -c builder-client -n '__builder_has -eq 2 diff' -a '(__builder_ask builds)'
complete -c builder-client -n '__builder_has -eq 1 cancel' -a '(__builder_ask jobs builds)'
complete -c builder-client -n '__builder_has -eq 1 pause' -a '(__builder_ask platforms)'
complete -c builder-client -n '__builder_has -eq 1 resume' -a '(__builder_ask platforms)'
complete -c builder-client -n '__builder_has -eq 1 drop-platform' -a '(__builder_ask platforms)'
complete -c builder-client -n '__builder_has -eq 1 undrop-platform' -a '(__builder_ask platforms)'
complete -c builder-client -n '__builder_has -ge 1 names' -a 'jobs platforms builds'

complete -c builder-inspect -f
complete -c builder-inspect -l latest -d 'Only the result of the build that ended last'
complete -c builder-inspect -l failed -d 'Only results of builds that did not exit with 0'
complete -c builder-inspect -l job -d 'Print name, platform and uuid'
complete -c builder-inspect -l script -d 'Print the script'
complete -c builder-inspect -l console -d 'Print the console, the oldest line first, and the result'
complete -c builder-inspect -l sha256 -d 'Print the SHA-256 of each artifact of one result, as sha256sum -c reads it'
complete -c builder-inspect -l json -d 'Print one JSON object per result: the summary and, on request, script, console and digests'
complete -c builder-inspect -l output -x -a '(__fish_complete_directories)' -d 'Write the artifacts of one result below this directory; nothing is overwritten'
complete -c builder-inspect -s v -l verbose -d 'Log what happens; twice: log every detail'
complete -c builder-inspect -s q -l quiet -d 'Log errors only'
complete -c builder-inspect -s h -l help -d 'Print this help'
complete -c builder-inspect -l version -d 'Print the versions of program and protocols'
complete -c builder-inspect -n '__builder_has -ge 0' -F

complete -c builder-upload -f
complete -c builder-upload -l upload-credentials -r -F -d 'Read the credentials for uploads, one line user:pass, from FILE, so that ps does not show them'
complete -c builder-upload -l hold-back-failed -d 'If a build exited with another status than 0, do not upload its files below bin/; if it did not exit, they are never uploaded'
complete -c builder-upload -l timeout -x -d 'The longest time that one upload may take'
complete -c builder-upload -s v -l verbose -d 'Log what happens; twice: log every detail'
complete -c builder-upload -s q -l quiet -d 'Log errors only'
complete -c builder-upload -s h -l help -d 'Print this help'
complete -c builder-upload -l version -d 'Print the versions of program and protocols'
complete -c builder-upload -n '__builder_has -ge 1' -F

complete -c builder-dashboard -f
complete -c builder-dashboard -s l -l listen -x -d 'Serve pages on this address; may be repeated'
complete -c builder-dashboard -s r -l remote -x -d 'The server, as HOST:PORT or unix:PATH'
complete -c builder-dashboard -l base-path -x -d 'The path of the pages behind a reverse proxy'
complete -c builder-dashboard -l title -x -d 'What the pages are called'
complete -c builder-dashboard -l host -x -d 'Answer under this host name; may be repeated'
complete -c builder-dashboard -l socket-mode -x -d 'The mode of sockets for unix:PATH'
complete -c builder-dashboard -l socket-group -x -a '(__fish_complete_groups)' -d 'The group of sockets for unix:PATH'
complete -c builder-dashboard -s v -l verbose -d 'Log what happens; twice: log every detail'
complete -c builder-dashboard -s q -l quiet -d 'Log errors only'
complete -c builder-dashboard -s h -l help -d 'Print this help'
complete -c builder-dashboard -l version -d 'Print the versions of program and protocols'
