import type { Door } from '../door.ts';

/**
 * Each asks `fleet complete -- WORDS` at every Tab, and shows its lines: `VALUE`, a tab, what it means. A line `:files`
 * or `:folders` leaves it to the shell. Whatever goes wrong shows nothing.
 */

// Readline takes `:` and `=` for the ends of words, fleet does not: words are put together again, and what stands
// before the last of these marks is taken off each candidate.
const BASH = `# Completion of fleet in bash. Now: source <(fleet completion bash)
# Always: fleet completion bash > ~/.local/share/bash-completion/completions/fleet
_fleet() {
  local rest=\${COMP_LINE:0:COMP_POINT} blank='[[:blank:]]' words=() index piece value _ cut=''
  for ((index = 0; index <= COMP_CWORD; index++)); do
    piece=\${COMP_WORDS[index]}
    if ((index == 0)) || [[ $rest == $blank* ]]; then
      rest=\${rest#"\${rest%%[![:blank:]]*}"}
      words+=('')
    fi
    ((index < COMP_CWORD)) || piece=$rest
    words[\${#words[@]}-1]+=$piece
    rest=\${rest#"$piece"}
  done
  local typed=\${words[\${#words[@]}-1]} fleet=\${words[0]/#\\~\\//$HOME/}
  [[ $COMP_WORDBREAKS == *:* && $typed == *:* ]] && cut=\${typed%"\${typed##*:}"}
  [[ $COMP_WORDBREAKS == *=* && \${typed#"$cut"} == *=* ]] && cut=\${typed%"\${typed##*=}"}
  COMPREPLY=()
  while IFS=$'\\t' read -r value _; do
    case $value in
      :files) compopt -o default 2>/dev/null ;;
      :folders) compopt -o default -o dirnames 2>/dev/null ;;
      ?*) COMPREPLY+=("\${value#"$cut"}") ;;
    esac
  done < <("$fleet" complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -o nosort -F _fleet fleet 2>/dev/null || complete -F _fleet fleet
`;

const ZSH = `#compdef fleet
# Completion of fleet in zsh. Now: source <(fleet completion zsh)
# Always: fleet completion zsh > FOLDER/_fleet, where FOLDER is in $fpath before compinit runs
_fleet() {
  local -a lines candidates
  local line fleet=\${words[1]/#\\~\\//$HOME/}
  lines=("\${(@f)$("$fleet" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    case $line in
      :files) compset -P '--*='; _files ;;
      :folders) compset -P '--*='; _files -/ ;;
      *$'\\t'?*) candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
      ?*) candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}") ;;
    esac
  done
  (( $#candidates )) && _describe -V fleet candidates
}
if [[ $funcstack[1] == _fleet ]]; then _fleet "$@"; else compdef _fleet fleet; fi
`;

const FISH = `# Completion of fleet in fish. Now: fleet completion fish | source
# Always: fleet completion fish > ~/.config/fish/completions/fleet.fish
function __fleet_complete
    set -l typed (commandline -ct)
    set -l words (commandline -opc)
    set -l fleet (string replace -r '^~/' "$HOME/" -- $words[1])
    for line in ($fleet complete -- $words[2..-1] "$typed" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$typed"
            case ':folders'
                __fish_complete_directories "$typed" ''
            case '*'
                echo $line
        end
    end
end
complete -c fleet -f -a '(__fleet_complete)'
`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

/** `fleet completion SHELL`: the script that its shell reads. */
export async function printCompletion(door: Door, shell: string): Promise<number> {
  door.out(SCRIPTS[shell] ?? '');
  return 0;
}
