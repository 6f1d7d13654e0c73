// Where a configuration's values come from: the leaves of a YAML file, and the environment, which wins. Internal to
// ConfigReader.
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "qarax/core/config.hpp"

namespace qarax::core {

// listen.port → QARAX_SERVER_LISTEN_PORT
std::string environment_name(const std::string& prefix, std::string_view key);

// Not thread-safe. What it finds wrong is kept in `problems`, each with its source.
class ConfigSource {
 public:
  struct Leaf {
    YAML::Node node;
    int line = 0;  // counted from 1
  };
  using Leaves = std::map<std::string, Leaf, std::less<>>;

  ConfigSource(std::string path, std::string prefix);

  // Reads the value as text, and its source for messages; false if neither environment nor file has a single value.
  bool scalar(std::string_view key, std::string& text, std::string& source);
  // Reads a list or map; in the environment it is YAML in one line. nullopt if neither environment nor file has it.
  std::optional<YAML::Node> tree(std::string_view key);
  // The value of the key's variable; nullptr if it isn't set.
  const char* variable(std::string_view key) const;
  // Where the value of a key stands, for messages: the variable, or file, line and key.
  std::string source_of(std::string_view key) const;
  // "/etc/qarax/node.yaml:12"
  std::string line(int number) const { return path_ + ":" + std::to_string(number); }

  // Adds problems for keys and variables that aren't in `known`.
  void check_unknown();

  const std::string& prefix() const { return prefix_; }
  const Leaves& leaves() const { return leaves_; }

  std::set<std::string, std::less<>> known{};          // keys that were asked for
  std::set<std::string, std::less<>> foreign{};        // names of environment variables
  std::set<std::string, std::less<>> map_variables{};  // prefixes of the variables that give one entry of a map
  std::vector<ErrorDetail> problems{};

 private:
  bool too_deep(const std::string& source, int depth);
  void check_within(const YAML::Node& node, const std::string& base, const std::string& variable, int depth);
  void flatten(const YAML::Node& node, const std::string& base, int depth);
  void check_keys();
  void check_environment();
  void check_map_variable(std::string_view name);
  std::string where(int number, std::string_view key) const { return line(number) + ": " + std::string(key); }

  const std::string path_;
  const std::string prefix_;
  Leaves leaves_;  // by dotted key, every leaf and section of the file
  int visited_ = 0;
  bool broken_ = false;  // nested too deeply, or too large: no list or map is read then
};

}  // namespace qarax::core
