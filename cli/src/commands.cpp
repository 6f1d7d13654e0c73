#include "commands.hpp"

#include <utility>

namespace qarax::cli {

Status run_command(const Context& context) {
  using Run = Status (*)(const Context&);
  constexpr std::pair<std::string_view, Run> kCommands[] = {{"launch", launch},
                                                            {"create", create},
                                                            {"list", list},
                                                            {"show", show},
                                                            {"set", set},
                                                            {"why", why},
                                                            {"start", act},
                                                            {"stop", act},
                                                            {"pause", act},
                                                            {"resume", act},
                                                            {"reboot", act},
                                                            {"force-stop", act},
                                                            {"delete", remove},
                                                            {"resize", resize},
                                                            {"snapshot", snapshot},
                                                            {"snapshots", snapshots},
                                                            {"restore", restore},
                                                            {"delete-snapshot", delete_snapshot},
                                                            {"console", console},
                                                            {"jobs", jobs},
                                                            {"job", job},
                                                            {"cancel", cancel},
                                                            {"events", events},
                                                            {"hosts", hosts},
                                                            {"plugins", plugins},
                                                            {"add-host", add_host},
                                                            {"init-host", init_host},
                                                            {"delete-host", delete_host},
                                                            {"leftovers", leftovers},
                                                            {"unmanaged", unmanaged},
                                                            {"adopt", adopt},
                                                            {"version", version},
                                                            {"completion", completion}};
  for (const auto& [name, run] : kCommands)
    if (name == context.arguments.command) return run(context);
  return make_error(Code::internal, context.arguments.command + " is in the grammar and nowhere else");
}

}  // namespace qarax::cli
