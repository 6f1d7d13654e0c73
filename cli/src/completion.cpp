// A completion script for bash, made from the grammar itself, so that it can't miss an option.
#include <CLI/CLI.hpp>

#include "commands.hpp"

namespace qarax::cli {

namespace {

// The names come from a server, so the script only compares them and never expands them (compgen -W would execute
// substitutions in them), and it only offers well-formed names.
constexpr const char* kScript = R"script(# bash completion for qarax: source <(qarax completion bash)
_qarax_ask() { # COLUMN's names, from the server that the command line or the environment names
  local word previous= asked=("$1" --wait 2)
  for word in "${_qarax_words[@]}"; do
    case $previous in --server | --token | --ca-file) asked+=("$previous" "$word") ;; esac
    case $word in --server=* | --token=* | --ca-file=*) asked+=("$word") ;; esac
    previous=$word
  done
  command "${_qarax_words[0]}" "${asked[@]}" "${@:2}" 2>/dev/null
}

_qarax_offer() {
  local name
  while read -r name _; do
    [[ $name =~ ^[A-Za-z0-9-][A-Za-z0-9._-]*$ && $name == "$_qarax_current"* ]] && COMPREPLY+=("$name")
  done
}

_qarax() {
  # COMP_WORDS is cut at ':' and '=', which are inside a URL and an option.
  local line=${COMP_LINE:0:COMP_POINT} _qarax_words _qarax_current= previous= command= target= word skip=
  read -ra _qarax_words <<<"$line"
  COMPREPLY=()
  if [[ $line != *[[:space:]] ]]; then
    _qarax_current=${_qarax_words[-1]}
    unset '_qarax_words[-1]'
  fi
  [[ ${#_qarax_words[@]} -gt 0 ]] || return
  for word in "${_qarax_words[@]:1}"; do
    previous=$word
    if [[ $skip ]]; then skip= && continue; fi
    case $word in
      @VALUES@) skip=1 ;;
      -*) ;;
      *) if [[ ! $command ]]; then command=$word; elif [[ ! $target ]]; then target=$word; fi ;;
    esac
  done
  if [[ $skip ]]; then
    case $previous in
      -o | --output) _qarax_offer < <(printf '%s\n' table json) ;;
      --status) _qarax_offer < <(printf '%s\n' unknown created running paused shutdown) ;;
      --ca-file) mapfile -t COMPREPLY < <(compgen -f -- "$_qarax_current") ;;
    esac
    return
  fi
  if [[ $_qarax_current == -* ]]; then
    _qarax_offer < <(printf '%s\n' @GLOBAL@)
    case $command in
@OPTIONS@    esac
    return
  fi
  case $command in
    '') _qarax_offer < <(printf '%s\n' @COMMANDS@) ;;
    @SNAPSHOT_COMMANDS@)
      if [[ $target ]]; then _qarax_offer < <(_qarax_ask snapshots --names -- "$target")
      else _qarax_offer < <(_qarax_ask list --names); fi
      ;;
    @VM_COMMANDS@) _qarax_offer < <(_qarax_ask list --names) ;;
    plugins | init-host | delete-host | leftovers | unmanaged | adopt)
      _qarax_offer < <(_qarax_ask hosts | tail -n +2)
      ;;
    completion) _qarax_offer < <(printf '%s\n' bash) ;;
  esac
}
complete -F _qarax qarax
)script";

void replace(std::string& text, std::string_view mark, const std::string& with) {
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + with.size()))
    text.replace(at, mark.size(), with);
}

void join(std::string& list, const std::string& word, const char* between) {
  if (!list.empty()) list += between;
  list += word;
}

// All spellings of an app's options. Options that take a value are also added to `values`, as patterns.
std::string options_of(const CLI::App& app, std::string& values) {
  std::string words;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& [names, dashes] : {std::pair{option->get_snames(), "-"}, std::pair{option->get_lnames(), "--"}}) {
      for (const std::string& name : names) {
        join(words, dashes + name, " ");
        const bool known = values.find(dashes + name + " ") != std::string::npos || values.ends_with(dashes + name);
        if (option->get_items_expected_max() > 0 && !known) join(values, dashes + name, " | ");
      }
    }
  }
  return words;
}

}  // namespace

std::string completion_script() {
  CLI::App app("", "qarax");
  RawArguments raw;
  add_grammar(app, raw);
  std::string commands;
  std::string vm_commands;
  std::string snapshot_commands;
  std::string values;
  std::string options;
  const std::string global = options_of(app, values);
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string& name = command->get_name();
    join(commands, name, " ");
    if (command->get_option_no_throw("SNAPSHOT") != nullptr)
      join(snapshot_commands, name, " | ");
    else if (command->get_option_no_throw("VM") != nullptr)
      join(vm_commands, name, " | ");
    options += "      " + name + ") _qarax_offer < <(printf '%s\\n' " + options_of(*command, values) + ") ;;\n";
  }
  std::string script = kScript;
  replace(script, "@GLOBAL@", global);
  replace(script, "@OPTIONS@", options);
  replace(script, "@COMMANDS@", commands);
  replace(script, "@SNAPSHOT_COMMANDS@", snapshot_commands);
  replace(script, "@VM_COMMANDS@", vm_commands);
  replace(script, "@VALUES@", values);
  return script;
}

Status completion(const Context& context) {
  context.out << completion_script();
  return Ok{};
}

}  // namespace qarax::cli
