#include "http/response_writer.hpp"

#include <array>
#include <charconv>
#include <ctime>

#include "http/text.hpp"

namespace qarax::http {
namespace {

// The current RFC 9110 IMF-fixdate, formatted once per second and thread.
std::string_view date_now() {
  struct Cached {
    std::time_t second = 0;
    std::array<char, 40> text{};
    std::size_t size = 0;
  };
  thread_local Cached cached;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != cached.second) {
    static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm utc{};
    ::gmtime_r(&now.tv_sec, &utc);
    // strftime alone won't do: day and month names must not follow the locale.
    std::array<char, 32> format{};
    const int size =
        std::snprintf(format.data(), format.size(), "%s, %%d %s %%Y %%H:%%M:%%S GMT",
                      kDays[static_cast<std::size_t>(utc.tm_wday)], kMonths[static_cast<std::size_t>(utc.tm_mon)]);
    cached.size = size > 0 ? std::strftime(cached.text.data(), cached.text.size(), format.data(), &utc) : 0;
    cached.second = now.tv_sec;
  }
  return {cached.text.data(), cached.size};
}

void append_number(std::string& out, std::size_t value) {
  std::array<char, 24> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

bool is_safe(Headers::Field field) noexcept {
  for (const char c : field.name) {
    if (!is_token_char(c)) return false;
  }
  for (const char c : field.value) {
    if ((static_cast<unsigned char>(c) < 0x20U && c != '\t') || c == 0x7F) return false;
  }
  return !field.name.empty();
}

bool has_no_body(int status) noexcept { return status < 200 || status == 204 || status == 304; }

}  // namespace

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

void append_head(std::string& out, const Response& response, const ReplyContext& context) {
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::size_t>(response.status));
  out.push_back(' ');
  out.append(reason_phrase(response.status)).append("\r\nDate: ").append(date_now());
  if (!response.content_type.empty()) {
    const Headers::Field type{"Content-Type", response.content_type};
    if (is_safe(type)) out.append("\r\nContent-Type: ").append(type.value);
  }
  if (context.chunked) {
    out.append("\r\nTransfer-Encoding: chunked");
  } else if (!response.stream && !response.live && !has_no_body(response.status)) {
    out.append("\r\nContent-Length: ");
    append_number(out, context.body_size);
  }
  if (response.status == 101) {
    // The handler sets Connection itself.
  } else if (!context.keep_alive) {
    out.append("\r\nConnection: close");
  } else if (context.minor_version == 0) {
    out.append("\r\nConnection: keep-alive");
  }
  out.append("\r\nX-Request-Id: ").append(context.request_id);
  for (std::size_t i = 0; i < response.headers.size(); ++i) {
    const Headers::Field field = response.headers[i];
    if (is_safe(field)) out.append("\r\n").append(field.name).append(": ").append(field.value);
  }
  out.append("\r\n\r\n");
}

}  // namespace qarax::http
