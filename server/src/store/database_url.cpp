#include "database_url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace qarax::server {

namespace {

constexpr std::string_view kExpected =
    "expected sqlite:///absolute/path or postgres://user:password@host:port/database";
constexpr std::string_view kEncode = "; in user, password and database write / @ : ? # % as %2F %40 %3A %3F %23 %25";

// The libpq options that a URL may set; the others are for this program to decide.
constexpr std::string_view kOptions[] = {"sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout"};
constexpr std::string_view kSslModes[] = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"};

Error wrong(std::string message) { return make_error(Code::invalid_argument, std::move(message)); }

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// `part` is the name of the text in messages, which never show its content.
Result<std::string> decoded(std::string_view text, const std::string& part) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 1 < text.size() ? hex(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex(text[i + 2]) : -1;
      if (high < 0 || low < 0) return wrong("the " + part + " has a % without two hexadecimal digits; write it as %25");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f)
      return wrong("the " + part + " has a blank or control character, which the database's driver can't take");
    out += c;
  }
  return out;
}

bool is_number(std::string_view text, int low, int high) {
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() && value >= low && value <= high;
}

template <class List>
bool is_one_of(const List& list, std::string_view value) {
  return std::find(std::begin(list), std::end(list), value) != std::end(list);
}

Status read_place(std::string_view place, DatabaseUrl& out) {
  std::string_view host = place;
  std::optional<std::string_view> port;
  const std::size_t end = place.starts_with('[') ? place.find(']') : std::string_view::npos;
  if (place.starts_with('[')) {
    if (end == std::string_view::npos) return wrong("the host's [ has no ]");
    host = place.substr(1, end - 1);
    if (const auto rest = place.substr(end + 1); rest.starts_with(':'))
      port = rest.substr(1);
    else if (!rest.empty())
      return wrong("after the host's ] only :port may follow");
  } else if (const std::size_t colon = place.find(':'); colon != std::string_view::npos) {
    if (place.find(':', colon + 1) != place.npos) return wrong("an IPv6 address stands in brackets: [::1]");
    host = place.substr(0, colon);
    port = place.substr(colon + 1);
  }
  QARAX_TRY(out.host, decoded(host, "host"));
  if (out.host.empty() || out.host.find(',') != std::string::npos)
    return wrong("one host is needed after the @; a unix socket's folder is written as %2Frun%2Fpostgresql");
  if (!port) return Ok{};
  if (!is_number(*port, 1, 65535)) return wrong("the port must be a number from 1 to 65535");
  out.port = *port;
  return Ok{};
}

Status read_options(std::string_view query, DatabaseUrl& out) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view one = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = one.find('=');
    const std::string name(one.substr(0, equals));
    if (equals == std::string_view::npos || !is_one_of(kOptions, name))
      return wrong("unknown option after the ?; known: sslmode, sslrootcert, sslcert, sslkey, connect_timeout");
    QARAX_TRY(std::string value, decoded(one.substr(equals + 1), name));
    if (name == "sslmode" && !is_one_of(kSslModes, value))
      return wrong("sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full");
    if (name == "connect_timeout" && !is_number(value, 2, 60))
      return wrong("connect_timeout must be from 2 to 60 (seconds)");
    if (name.starts_with("ssl") && name != "sslmode" && !value.starts_with('/'))
      return wrong(name + " must be an absolute path");
    for (const auto& [other, unused] : out.options)
      if (other == name) return wrong(name + " stands twice");
    out.options.emplace_back(name, std::move(value));
  }
  return Ok{};
}

Result<DatabaseUrl> parse_postgres(std::string_view rest) {
  DatabaseUrl out;
  if (rest.find('#') != std::string_view::npos) return wrong("a # isn't known here" + std::string(kEncode));
  const std::size_t slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  const std::size_t at = authority.find('@');
  if (at == std::string_view::npos || slash == std::string_view::npos || authority.find('@', at + 1) != authority.npos)
    return wrong(std::string(kExpected).append(kEncode));
  const std::string_view who = authority.substr(0, at);
  const std::size_t colon = std::min(who.find(':'), who.size());
  QARAX_TRY(out.user, decoded(who.substr(0, colon), "user"));
  if (out.user.empty()) return wrong("the user is missing; " + std::string(kExpected));
  if (colon < who.size()) {
    if (who.find(':', colon + 1) != who.npos) return wrong("more than one : before the @" + std::string(kEncode));
    QARAX_TRY(out.password, decoded(who.substr(colon + 1), "password"));
  }
  QARAX_CHECK(read_place(authority.substr(at + 1), out));
  const std::string_view after = rest.substr(slash + 1);
  const std::size_t question = std::min(after.find('?'), after.size());
  if (after.substr(0, question).find('/') != after.npos)
    return wrong("the database's name has a /" + std::string(kEncode));
  QARAX_TRY(out.database, decoded(after.substr(0, question), "database"));
  if (out.database.empty()) return wrong("the database's name is missing; " + std::string(kExpected));
  if (question < after.size()) QARAX_CHECK(read_options(after.substr(question + 1), out));
  return out;
}

void add(std::string& conninfo, std::string_view key, std::string_view value) {
  if (!conninfo.empty()) conninfo += ' ';
  conninfo.append(key).append("='");
  for (const char c : value) {
    if (c == '\'' || c == '\\') conninfo += '\\';
    conninfo += c;
  }
  conninfo += '\'';
}

}  // namespace

std::string DatabaseUrl::shown() const {
  if (!is_postgres()) return path;
  const std::string place = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return "postgres://" + user + "@" + place + ":" + port + "/" + database;
}

std::string DatabaseUrl::conninfo() const {
  std::string out;
  add(out, "host", host);
  add(out, "port", port);
  add(out, "user", user);
  if (!password.empty()) add(out, "password", password);
  add(out, "dbname", database);
  add(out, "client_encoding", "UTF8");
  // Detects a dead link within seconds; the kernel's defaults take hours.
  add(out, "keepalives_idle", "5");
  add(out, "keepalives_interval", "5");
  add(out, "keepalives_count", "3");
  add(out, "tcp_user_timeout", "20000");
  bool timeout = false;
  for (const auto& [key, value] : options) {
    add(out, key, value);
    timeout = timeout || key == "connect_timeout";
  }
  if (!timeout) add(out, "connect_timeout", "5");
  return out;
}

DatabaseUrl sqlite_file(std::string path) {
  DatabaseUrl out;
  out.path = std::move(path);
  return out;
}

Result<DatabaseUrl> parse_database_url(std::string_view url) {
  constexpr std::string_view kSqlite = "sqlite://";
  for (const std::string_view scheme : {"postgres://", "postgresql://"})
    if (url.starts_with(scheme)) return parse_postgres(url.substr(scheme.size()));
  // The message doesn't repeat the URL, which may hold a password.
  if (!url.starts_with(kSqlite) || url.size() <= kSqlite.size() + 1 || url[kSqlite.size()] != '/')
    return wrong(std::string(kExpected));
  return sqlite_file(std::string(url.substr(kSqlite.size())));
}

}  // namespace qarax::server
