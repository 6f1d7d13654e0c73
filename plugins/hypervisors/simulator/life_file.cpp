#include "life_file.hpp"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

namespace qarax::simulator {

namespace {
std::string path_in(const std::string& run_dir) { return run_dir + "/simulated.json"; }
}  // namespace

Status write_life(const std::string& run_dir, const Life& life) {
  const std::string path = path_in(run_dir);
  const std::string temp = path + ".tmp";
  {
    std::ofstream file(temp, std::ios::trunc);
    file << encode(life, Defaults::write) << '\n';
    file.close();
    if (!file) return make_error(Code::internal, "can't write the simulated VM to " + temp);
  }
  if (std::rename(temp.c_str(), path.c_str()) != 0)
    return make_error(Code::internal, "can't write the simulated VM to " + path);
  return Ok{};
}

Result<Life> read_life(const std::string& run_dir) {
  std::ifstream file(path_in(run_dir));
  if (!file) return make_error(Code::not_found, "no simulated VM in " + run_dir);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  auto life = decode<Life>(std::string_view(text), Unknown::ignore);
  if (!life)
    return make_error(Code::data_loss, "the simulated VM in " + path_in(run_dir) + ": " + life.error().message);
  return life;
}

void remove_life(const std::string& run_dir) { ::unlink(path_in(run_dir).c_str()); }

std::string make_handle() { return "{\"format\":" + std::to_string(kFormat) + ",\"simulated\":true}"; }

Status check_handle(const VmArgs& args) {
  const auto parsed = json::parse(args.handle.text);
  const auto* format = parsed ? parsed->find("format") : nullptr;
  const auto* simulated = parsed ? parsed->find("simulated") : nullptr;
  if (format == nullptr || format->as_int() == nullptr || simulated == nullptr || simulated->as_bool() == nullptr)
    return make_error(Code::not_found, "VM " + args.vm + " has no handle of the simulator");
  if (*format->as_int() > kFormat)
    return make_error(Code::failed_precondition, "VM " + args.vm + " was started by a newer simulator (format " +
                                                     std::to_string(*format->as_int()) + ", this one knows " +
                                                     std::to_string(kFormat) + "); upgrade this node's plugin");
  return Ok{};
}

}  // namespace qarax::simulator
