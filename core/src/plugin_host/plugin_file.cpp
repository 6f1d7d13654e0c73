#include "plugin_file.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>
#include <system_error>

#include "elf_exports.hpp"
#include "path_check.hpp"
#include "plugin_call.hpp"
#include "qarax/core/files.hpp"
#include "qarax/core/plugin_host/crash_word.hpp"
#include "qarax/core/short_name.hpp"
#include "qarax/plugin/call.hpp"

namespace qarax::core {
namespace {

constexpr std::size_t kMaxFile = 512u << 20;

Error refuse(std::string why) { return make_error(Code::failed_precondition, std::move(why), "plugin-refused"); }

// A file's content without a copy: of a library with debug information only a thousandth is read. Truncating the file
// meanwhile ends this process (SIGBUS), just as it would once the loader has mapped the file.
class MappedFile {
 public:
  static Result<MappedFile> of(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0) return errno_error("can't read " + path, errno);
    const auto size = static_cast<std::size_t>(info.st_size);
    if (size == 0) return refuse("it is empty; build or copy it anew");
    if (size > kMaxFile)
      return make_error(Code::out_of_range, path + " is larger than " + std::to_string(kMaxFile) + " bytes");
    void* at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (at == MAP_FAILED) return errno_error("can't read " + path, errno);
    return MappedFile(static_cast<const char*>(at), size);
  }
  std::string_view content() const { return {at_.get(), at_.get_deleter().size}; }

 private:
  struct Unmap {
    std::size_t size = 0;
    void operator()(const char* at) const { ::munmap(const_cast<char*>(at), size); }
  };
  MappedFile(const char* at, std::size_t size) : at_(at, Unmap{size}) {}

  std::unique_ptr<const char, Unmap> at_;
};

Status check_exports(const std::string& path) {
  QARAX_TRY(const MappedFile file, MappedFile::of(path));
  const auto exports = elf_exports(file.content());
  if (!exports) return refuse(exports.error().message + "; a plugin is a shared library built for this machine");
  const ElfExport* entry = nullptr;
  std::vector<std::string> others;
  for (const auto& each : *exports) {
    if (each.name == QARAX_PLUGIN_SYMBOL)
      entry = &each;
    else
      others.push_back(each.name);
  }
  if (entry == nullptr)
    return refuse("it doesn't export `" QARAX_PLUGIN_SYMBOL "`; a plugin's plugin.cpp has one QARAX_PLUGIN(…) line");
  if (!entry->is_object)
    return refuse("its `" QARAX_PLUGIN_SYMBOL "` is code, not the constant table; define it with QARAX_PLUGIN(…)");
  if (!others.empty()) {
    std::sort(others.begin(), others.end());
    std::string some = others.front();
    for (std::size_t i = 1; i < std::min<std::size_t>(others.size(), 3); ++i) some += ", " + others[i];
    if (others.size() > 3) some += ", …";
    return refuse("it exports " + std::to_string(others.size()) + " symbols beside `" QARAX_PLUGIN_SYMBOL "` (" + some +
                  "), which would meet other plugins'; build it with qarax_add_plugin()");
  }
  return Ok{};
}

// True if the file that `address` was mapped from has since been removed or replaced: the loader goes by name and
// returns the old library again.
bool mapped_from_a_removed_file(const void* address) {
  std::ifstream maps("/proc/self/maps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  for (std::string line; std::getline(maps, line);) {
    unsigned long from = 0;
    unsigned long to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &from, &to) != 2 || wanted < from || wanted >= to) continue;
    constexpr std::string_view kMark = " (deleted)";
    return line.size() > kMark.size() && line.compare(line.size() - kMark.size(), kMark.size(), kMark) == 0;
  }
  return false;
}

// The loader's own message, without the wrapping of Boost.DLL and without the text of a meaningless errno.
std::string loader_message(const std::system_error& error) {
  std::string text = error.what();
  const std::string tail = ": " + error.code().message();
  if (const auto at = text.rfind(tail); at != std::string::npos) text.resize(at);
  constexpr std::string_view kWrapping = "(dlerror system message: ";
  if (const auto at = text.find(kWrapping); at != std::string::npos && text.back() == ')')
    return text.substr(at + kWrapping.size(), text.size() - at - kWrapping.size() - 1);
  return text;
}

// Loads the file for good and returns the table, after checking that it is in this very file.
Result<const void*> open(const std::string& path) {
  boost::dll::shared_library library;
  try {
    // An exception from a static initialiser can't be caught here, because dlopen is noexcept; if it passed, the
    // loader's lock would stay taken. It ends the node like any crash of a plugin, so the last word must name the file.
    const CrashWord word("plugin " + path + ": loading it, which runs its static initialisers", {});
    library.load(path, boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  } catch (const std::system_error& e) {
    return refuse("the loader refuses it: " + loader_message(e));
  }
  // A plugin's thread may run its code even after a refusal, so the library must never be unmapped, neither by the end
  // of `library` nor because the plugin was linked without -z nodelete.
  ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD | RTLD_NODELETE);  // NOLINT: only for the NODELETE mark
  const void* symbol = ::dlsym(library.native(), QARAX_PLUGIN_SYMBOL);
  if (symbol != nullptr && mapped_from_a_removed_file(symbol))
    return refuse(
        "an older file of that name is loaded already; a changed plugin takes effect with a restart of "
        "qarax-node");
  Dl_info info{};
  std::error_code ec;
  if (symbol == nullptr || ::dladdr(symbol, &info) == 0 || info.dli_fname == nullptr ||
      !std::filesystem::equivalent(info.dli_fname, path, ec))
    return refuse("the loader took another file for it" +
                  (info.dli_fname != nullptr ? std::string(" (") + info.dli_fname + ")" : std::string()) +
                  "; link each plugin without a SONAME, as qarax_add_plugin() does, and restart qarax-node");
  return symbol;
}

bool reverse_dns(std::string_view id) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  };
  return id.size() <= 128 && std::all_of(id.begin(), id.end(), allowed) && id.find('.') != std::string_view::npos &&
         id.front() != '.' && id.back() != '.' && id.find("..") == std::string_view::npos;
}

Status check_table(const qarax_plugin_table& table, PluginRecord& record) {
  if (table.size < QARAX_PLUGIN_TABLE_SIZE_0_9)
    return refuse("its table has " + std::to_string(table.size) + " bytes, ABI 0.9 needs " +
                  std::to_string(QARAX_PLUGIN_TABLE_SIZE_0_9) + "; rebuild it with the SDK's own abi.h");
  const std::pair<const char*, qarax_text> texts[] = {
      {"id", table.id}, {"name", table.name}, {"version", table.version}, {"config_schema", table.config_schema}};
  for (const auto& [name, text] : texts) {
    if (text.ptr == nullptr || text.len == 0)
      return refuse(std::string("its table lacks `") + name + "`, which every plugin has");
    if (text.len > kMaxHandle)
      return refuse(std::string("its table's `") + name + "` has " + std::to_string(text.len) + " bytes; at most " +
                    std::to_string(kMaxHandle) + " are read");
  }
  record.id = repaired(table.id);
  record.name = repaired(table.name);
  record.version = repaired(table.version);
  if (!reverse_dns(record.id))
    return refuse("its id \"" + record.id + "\" isn't of the kind org.example.hypervisor.foo");
  if (!is_short_name(record.name)) return refuse("its name \"" + record.name + "\" isn't [a-z][a-z0-9_]{0,31}");
  const std::pair<const char*, bool> slots[] = {{"create", table.create != nullptr},
                                                {"destroy", table.destroy != nullptr},
                                                {"query", table.query != nullptr},
                                                {"describe", table.describe != nullptr}};
  for (const auto& [name, filled] : slots)
    if (!filled) return refuse(std::string("its table lacks `") + name + "`, which every plugin has");
  return Ok{};
}

}  // namespace

Result<const qarax_plugin_table*> open_plugin_file(PluginRecord& record, const std::function<Status(LoadStep)>& at) {
  QARAX_CHECK(at(LoadStep::path));
  QARAX_CHECK(check_plugin_path(record.path, false));
  QARAX_CHECK(at(LoadStep::exports));
  QARAX_CHECK(check_exports(record.path));
  QARAX_CHECK(at(LoadStep::open));
  QARAX_TRY(const void* symbol, open(record.path));
  const auto& table = *static_cast<const qarax_plugin_table*>(symbol);

  QARAX_CHECK(at(LoadStep::magic));
  if (table.magic != QARAX_ABI_MAGIC) {
    char hex[32];
    std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(table.magic));
    return refuse(std::string("its `" QARAX_PLUGIN_SYMBOL "` begins with ") + hex +
                  ", not with the mark of a qarax plugin; define it with QARAX_PLUGIN(…)");
  }
  QARAX_CHECK(at(LoadStep::major));
  record.abi = std::to_string(table.abi_major) + "." + std::to_string(table.abi_minor);
  if (table.abi_major != QARAX_ABI_MAJOR)
    return refuse("it was built for plugin ABI " + record.abi + ", this node speaks " +
                  std::to_string(QARAX_ABI_MAJOR) + "." + std::to_string(QARAX_ABI_MINOR) +
                  "; rebuild it with this node's SDK");
  QARAX_CHECK(at(LoadStep::size));
  QARAX_CHECK(check_table(table, record));
  return &table;
}

}  // namespace qarax::core
