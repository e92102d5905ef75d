# Completion for the programs of builder in fish.
#
# Installed as /usr/share/fish/vendor_completions.d/builder-server.fish, and linked there for each other program.

for program in builder-server builder-worker builder-client builder-inspect builder-upload
    complete -c $program -s v -l verbose -d 'Log what happens; twice: every detail'
    complete -c $program -s q -l quiet -d 'Log errors only'
    complete -c $program -s h -l help -d 'Print a summary of all options'
    complete -c $program -l version -d 'Print the versions of program and protocols'
end

complete -c builder-server -f
complete -c builder-server -l ip -x -d 'Listen on this address'
complete -c builder-server -l port -x -d 'Listen on this port'
complete -c builder-server -l worker-listen -x -d 'Listen for workers on this address only'
complete -c builder-server -l client-listen -x -d 'Listen for clients on this address only'
complete -c builder-server -l socket-mode -x -d 'The mode of sockets in the file system'
complete -c builder-server -l socket-group -x -a '(__fish_complete_groups)' -d 'The group of sockets in the file system'
complete -c builder-server -l dir -x -a '(__fish_complete_directories)' -d 'Keep schedule, log and results here'
complete -c builder-server -l config-dir -x -a '(__fish_complete_directories)' -d 'Read orb-build templates from here'
complete -c builder-server -l timeout -x -d 'The longest time that a job may run'
complete -c builder-server -l artifact-limit -x -d 'The maximum size of all artifacts of a build'
complete -c builder-server -l console-limit -x -d 'The maximum size of the console of a build'
complete -c builder-server -l upload -x -d 'Upload results to this URL'
complete -c builder-server -l upload-credentials -r -F -d 'Read the credentials for uploads from this file'
complete -c builder-server -l hold-back-failed -d 'Do not upload bin/ of builds that failed either'
complete -c builder-server -l keep-local -d 'Keep results after they are uploaded'
complete -c builder-server -l upload-timeout -x -d 'The longest time that one upload may take'
complete -c builder-server -l salvage -d 'Start without the damaged parts of the log'
complete -c builder-server -l export-state -r -F -d 'Write the state file of builder 0.4.0 and exit'

complete -c builder-worker -f
complete -c builder-worker -s r -l remote -x -d 'The server'
complete -c builder-worker -l timeout -x -d 'The longest time that the job may run'

set -l commands schedule orb-build reschedule unschedule execute info observe observe-latest drop-platform undrop-platform
complete -c builder-client -n "not __fish_seen_subcommand_from $commands" -f -a "$commands"
# Only 'schedule' takes a file, after a name and a platform.
function __builder_takes_file
    set -l words (commandline -opc | string match -v -- '-*')
    test "$words[2]" = schedule; and test (count $words) -ge 4
end
complete -c builder-client -n "__fish_seen_subcommand_from $commands; and not __builder_takes_file" -f
complete -c builder-client -s r -l remote -x -d 'The server'
complete -c builder-client -l period -x -a 'hourly daily weekly never' -d 'How often the job runs'
complete -c builder-client -l platform -x -d 'Only this platform'
complete -c builder-client -l job -x -d 'Only builds of this job'
complete -c builder-client -l json -d 'Print JSON'

complete -c builder-inspect -l latest -d 'Only the result of the build that ended last'
complete -c builder-inspect -l failed -d 'Only results of builds that failed'
complete -c builder-inspect -l job -d 'Print name, platform and uuid'
complete -c builder-inspect -l script -d 'Print the script'
complete -c builder-inspect -l console -d 'Print the console, the oldest line first'
complete -c builder-inspect -l json -d 'Print a JSON object'
complete -c builder-inspect -l output -x -a '(__fish_complete_directories)' -d 'Write the artifacts of one result below this directory'

complete -c builder-upload -l upload-credentials -r -F -d 'Read the credentials from this file'
complete -c builder-upload -l hold-back-failed -d 'Leave out bin/ of builds that failed as well'
complete -c builder-upload -l timeout -x -d 'The longest time that one upload may take'
