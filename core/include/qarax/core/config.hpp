// Strict configuration: a YAML file whose values the environment can override. Refuses unknown keys, with file and
// line, and environment variables that look like a misspelled key.
//
// A program describes its keys once; the file, the environment and `--check-config` follow from that:
//   ConfigReader reader("/etc/qarax/server.yaml", "QARAX_SERVER");   // listen.port ← QARAX_SERVER_LISTEN_PORT
//   reader.text("listen.address", config.address); reader.integer("listen.port", config.port, 0, 65535); …
//   QARAX_CHECK(reader.finish());
// An absent key keeps the default that the variable holds. Problems are collected; finish() reports all of them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/plugin/fields.hpp"
#include "qarax/result.hpp"

namespace qarax::core {

class ConfigSource;

class ConfigReader {
 public:
  // An empty path: defaults and environment only. Otherwise the file must exist.
  ConfigReader(std::string path, std::string environment_prefix);
  ~ConfigReader();
  ConfigReader(const ConfigReader&) = delete;
  ConfigReader& operator=(const ConfigReader&) = delete;

  void text(std::string_view key, std::string& value);
  void boolean(std::string_view key, bool& value);
  void integer(std::string_view key, std::int64_t& value, std::int64_t min, std::int64_t max);
  // 500ms, 30s, 2m, 1h; a bare number is refused, and so is less than `least_ms`.
  void duration_ms(std::string_view key, std::int64_t& value, std::int64_t least_ms = 0);
  // Environment: comma-separated, and blanks around an entry don't count.
  void texts(std::string_view key, std::vector<std::string>& value);
  void choice(std::string_view key, std::string& value, const std::vector<std::string>& of);
  struct Entry {
    json::Value value;  // an object
    std::string at;     // where it stands: "/etc/qarax/node.yaml:12", or the variable's name
  };
  // A list of free-form maps (plugins). Environment: YAML in one line, [{path: /opt/foo.so, config: {depth: 3}}]; if it
  // is empty, the file's list is ignored and the default stays.
  void objects(std::string_view key, std::vector<Entry>& value);

  // One free-form map, as JSON. Environment: as for objects().
  void object(std::string_view key, json::Value& value);

  // A map of texts, such as fallback: {cloud_hv: qemu}. Environment: the whole map as YAML in one line (…_FALLBACK), or
  // one entry by a variable of its own (…_FALLBACK_CLOUD_HV), whose name in lower case is the entry's.
  void text_map(std::string_view key, std::map<std::string, std::string>& value);

  // Declares a variable that begins with this program's prefix but isn't a key's, so that finish() doesn't take it for
  // a misspelled key.
  void foreign_variable(std::string_view name);

  // Checks of values that server and node share.
  // `data_dir` is set, and absolute.
  void check_data_dir(const std::string& path);
  // The path is absolute or empty.
  void check_absolute(std::string_view key, const std::string& path);
  // As check_absolute(), and with `look` this process can read the file, or run the program. `look` is for
  // --check-config only: a program that starts says by itself what it can't open, and some of it may come later.
  void check_file(std::string_view key, const std::string& path, bool look);
  void check_program(std::string_view key, const std::string& path, bool look);
  struct Listener {
    const std::string& address;
    const std::string& tls_cert;
    const std::string& tls_key;
    const std::string& token_sha256;
    bool insecure = false;
    std::string_view make_token;  // the command that makes token_sha256
  };
  // Certificate and key are both set or neither, the digest has its form, and where other machines reach the address,
  // callers are authenticated, unless `insecure` says that they needn't be.
  void check_listener(const Listener& listener);

  // All keys that were read so far, dotted, in alphabetical order.
  std::vector<std::string> keys() const;

  // A problem that the caller found, reported with the key's file and line.
  void problem(std::string_view key, std::string text);
  // The same for what has no key of its own: an entry of a list, by its `at`.
  void problem_at(std::string_view at, std::string text);
  // INVALID_ARGUMENT with one detail per problem ("/etc/qarax/server.yaml:12: listen.prot: unknown key; did you mean
  // …").
  Status finish();

 private:
  void check_access(std::string_view key, const std::string& path, int how, std::string_view way_out);
  std::unique_ptr<ConfigSource> source_;
};

}  // namespace qarax::core
