// Keeps server/api/openapi.yaml in step with the field tables, and turns the file into the document that is served.
//
//   openapi_tool check FILE          fails if components/schemas or x-problems differ from the tables
//   openapi_tool write FILE          rewrites those two in place, between their markers
//   openapi_tool embed FILE OUT.cpp  writes the document as JSON into a source file
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "api/schemas.hpp"

namespace {

using qarax::json::Array;
using qarax::json::Object;
using qarax::json::Value;

Value to_json(const YAML::Node& node) {
  if (node.IsSequence()) {
    Array out;
    for (const auto& item : node) out.push_back(to_json(item));
    return Value(std::move(out));
  }
  if (node.IsMap()) {
    Object out;
    for (const auto& item : node) {
      const std::string key = item.first.Scalar();
      for (const auto& before : out)
        if (before.first == key)
          throw std::runtime_error("line " + std::to_string(item.first.Mark().line + 1) + ": " + key + " given twice");
      out.emplace_back(key, to_json(item.second));
    }
    return Value(std::move(out));
  }
  if (node.IsNull()) return {};
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return Value(text);
  if (text == "true" || text == "false") return Value(text == "true");
  auto number = qarax::json::parse(text);
  if (number && (number->as_int() != nullptr || number->as_double() != nullptr)) return std::move(*number);
  return Value(text);
}

// The first place where two documents differ, ignoring the order of members; empty if they are equal.
std::string difference(const Value& ours, const Value& file, const std::string& at) {
  if (const Object* a = ours.as_object(); a != nullptr && file.as_object() != nullptr) {
    for (const auto& [key, value] : *a) {
      const std::string inner = qarax::json::pointer_to(at, key);
      const Value* other = file.find(key);
      if (other == nullptr) return inner + ": missing in the file";
      if (auto found = difference(value, *other, inner); !found.empty()) return found;
    }
    for (const auto& member : *file.as_object())
      if (ours.find(member.first) == nullptr) return qarax::json::pointer_to(at, member.first) + ": only in the file";
    return {};
  }
  const std::string a = to_text(ours);
  const std::string b = to_text(file);
  if (const Array* list = ours.as_array(); list != nullptr && file.as_array() != nullptr) {
    if (list->size() != file.as_array()->size()) return at + ": the table has " + a + ", the file has " + b;
    for (std::size_t i = 0; i < list->size(); ++i)
      if (auto found = difference((*list)[i], (*file.as_array())[i], at + "/" + std::to_string(i)); !found.empty())
        return found;
    return {};
  }
  return a == b ? std::string() : at + ": the table has " + a + ", the file has " + b;
}

Value schemas_document() {
  Object out;
  for (auto& one : qarax::api::all_schemas()) out.emplace_back(one.name, std::move(one.schema));
  return Value(std::move(out));
}

// ---- YAML writing ----

// Whether YAML can read `text` unquoted as nothing but this string.
bool is_plain(const std::string& text) {
  static constexpr std::string_view kInner = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ./$-";
  static constexpr std::string_view kWords[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
  std::string lower = text;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_' || c == '$'; };
  return !text.empty() && letter(lower.front()) && text.find_first_not_of(kInner) == std::string::npos &&
         text.back() != ' ' && text.back() != '-' && text.back() != '$' &&
         std::find(std::begin(kWords), std::end(kWords), lower) == std::end(kWords);
}

std::string scalar(const Value& value) {
  const auto* text = value.as_string();
  return text != nullptr && is_plain(*text) ? *text : to_text(value);
}

std::string flow(const Value& value) {
  std::string out;
  if (const auto* array = value.as_array()) {
    for (const auto& item : *array) out.append(out.empty() ? "" : ", ").append(flow(item));
    return "[" + out + "]";
  }
  if (const auto* object = value.as_object()) {
    for (const auto& [key, item] : *object)
      out.append(out.empty() ? "" : ", ").append(scalar(Value(key))).append(": ").append(flow(item));
    return "{" + out + "}";
  }
  return scalar(value);
}

void block(std::string& out, const Value& value, const std::string& indent) {
  constexpr std::size_t kWidth = 160;
  const auto member = [&](const std::string& head, const Value& inner) {
    const std::string line = flow(inner);
    const bool nested = inner.as_object() != nullptr || inner.as_array() != nullptr;
    if (!nested || head.size() + line.size() + 1 <= kWidth) {
      out.append(head).append(" ").append(line).append("\n");
    } else {
      out.append(head).append("\n");
      block(out, inner, indent + "  ");
    }
  };
  if (const auto* object = value.as_object()) {
    for (const auto& [key, inner] : *object) member(indent + scalar(Value(key)) + ":", inner);
  } else if (const auto* array = value.as_array()) {
    for (const auto& inner : *array) member(indent + "-", inner);
  }
}

std::string between(const std::string& text, const std::string& section, const std::string& body) {
  const std::string begin = "# begin " + section + ": made by openapi_tool\n";
  const std::string end = "# end " + section;
  const auto from = text.find(begin);
  const auto to = text.find(end);
  if (from == std::string::npos || to == std::string::npos || to < from)
    throw std::runtime_error("the markers of " + section + " are missing");
  const auto line = text.rfind('\n', to) + 1;
  return text.substr(0, from + begin.size()) + body + text.substr(line);
}

std::string read(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("can't be read");
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

int check(const std::string& path) {
  const Value file = to_json(YAML::LoadFile(path));
  const Value* components = file.find("components");
  const Value* schemas = components == nullptr ? nullptr : components->find("schemas");
  const Value* problems = file.find("x-problems");
  std::string found = schemas == nullptr ? "/components/schemas: missing"
                                         : difference(schemas_document(), *schemas, "/components/schemas");
  if (found.empty())
    found =
        problems == nullptr ? "/x-problems: missing" : difference(qarax::api::problem_list(), *problems, "/x-problems");
  if (found.empty()) return 0;
  std::cerr << path << ": " << found << "\nThe field tables are the truth: openapi_tool write " << path << '\n';
  return 1;
}

int write(const std::string& path) {
  std::string text = read(path);
  std::string body;
  block(body, schemas_document(), "    ");
  text = between(text, "schemas", body);
  body.clear();
  block(body, qarax::api::problem_list(), "  ");
  text = between(text, "problems", body);
  std::ofstream(path) << text;
  return check(path);
}

bool is_of_the_server_itself(const Value& operation) {
  const Value* tags = operation.find("tags");
  if (tags == nullptr || tags->as_array() == nullptr) return false;
  for (const Value& tag : *tags->as_array())
    if (tag.as_string() != nullptr && *tag.as_string() == "system") return true;
  return false;
}

// The names of the query parameters of `holder`, which is a path or an operation; each as a C++ literal with a comma.
std::string query_names(const Value& file, const Value& holder) {
  std::string out;
  const Value* list = holder.find("parameters");
  if (list == nullptr || list->as_array() == nullptr) return out;
  for (const Value& listed : *list->as_array()) {
    const Value* one = &listed;
    if (const Value* ref = listed.find("$ref")) {
      const std::string name = ref->as_string()->substr(ref->as_string()->rfind('/') + 1);
      one = file.find("components")->find("parameters")->find(name);
      if (one == nullptr) throw std::runtime_error("there is no parameter " + name);
    }
    if (*one->find("in")->as_string() == "query") out += to_text(*one->find("name")) + ",";
  }
  return out;
}

// The source text of api::route_queries().
std::string queries_source(const Value& file) {
  std::string arrays;
  std::string table;
  int count = 0;
  for (const auto& [pattern, path] : *file.find("paths")->as_object())
    for (const auto& [method, operation] : *path.as_object()) {
      if (method == "parameters" || is_of_the_server_itself(operation)) continue;
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
      const std::string names = query_names(file, path) + query_names(file, operation);
      const std::string array = names.empty() ? "{}" : "kQuery" + std::to_string(count++);
      if (!names.empty()) arrays += "constexpr std::string_view " + array + "[] = {" + names + "};\n";
      table += "{" + to_text(Value(upper)) + "," + to_text(Value(pattern)) + "," + array + "},\n";
    }
  return "namespace {\n" + arrays + "constexpr qarax::api::RouteQuery kQueries[] = {\n" + table +
         "};\n}\nnamespace qarax::api {\nstd::span<const RouteQuery> route_queries() { return kQueries; }\n}\n";
}

int embed(const std::string& path, const std::string& out_path) {
  const Value file = to_json(YAML::LoadFile(path));
  const std::string text = to_text(file);
  const Value* info = file.find("info");
  const Value* version = info == nullptr ? nullptr : info->find("version");
  if (version == nullptr || version->as_string() == nullptr) throw std::runtime_error("info.version: missing");
  std::ofstream out(out_path);
  out << "#include \"api/openapi.hpp\"\nnamespace {\nconst unsigned char kText[] = {";
  for (std::size_t i = 0; i < text.size(); ++i)
    out << (i % 24 == 0 ? "\n" : "") << static_cast<int>(static_cast<unsigned char>(text[i])) << ',';
  out << "};\n}\nnamespace qarax::api {\nstd::string_view openapi_json() { return {reinterpret_cast<const "
         "char*>(kText), "
         "sizeof kText}; }\nstd::string_view api_version() { return "
      << to_text(*version) << "; }\n}\n"
      << queries_source(file);
  out.flush();
  if (!out) throw std::runtime_error(out_path + " can't be written");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  try {
    if (mode == "check" && argc == 3) return check(argv[2]);
    if (mode == "write" && argc == 3) return write(argv[2]);
    if (mode == "embed" && argc == 4) return embed(argv[2], argv[3]);
  } catch (const std::exception& e) {
    std::cerr << argv[2] << ": " << e.what() << '\n';
    return 1;
  }
  std::cerr << "usage: openapi_tool check FILE | write FILE | embed FILE OUT.cpp\n";
  return 2;
}
