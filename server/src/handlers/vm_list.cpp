#include "handlers/vm_list.hpp"

#include <algorithm>
#include <charconv>

#include "handlers/listing.hpp"
#include "qarax/core/ids.hpp"

namespace qarax::server {

namespace {

struct Filter {
  std::optional<std::string_view> name;
  std::optional<std::string_view> status;
  std::optional<std::string> host_id;
  std::vector<std::string> tags;
  std::int64_t after = 0;  // VmRecord::order of the last row that the client has

  bool shows(const VmRecord& vm) const {
    if (vm.order <= after) return false;
    if (name && vm.name != *name) return false;
    if (status && to_string(vm.observed.status.state) != *status) return false;
    if (host_id && vm.host_id.value_or("") != *host_id) return false;
    return std::all_of(tags.begin(), tags.end(), [&](const std::string& tag) {
      return std::find(vm.tags.begin(), vm.tags.end(), tag) != vm.tags.end();
    });
  }
};

Result<std::int64_t> order_of(const std::string& cursor) {
  std::int64_t order = 0;
  const auto parsed = std::from_chars(cursor.data(), cursor.data() + cursor.size(), order);
  if (parsed.ec != std::errc{} || parsed.ptr != cursor.data() + cursor.size() || order < 0) return bad_cursor(cursor);
  return order;
}

Result<Filter> filter_of(const http::Request& request, const Page& page) {
  Filter filter;
  filter.name = request.query_value("name");
  filter.status = request.query_value("status");
  if (filter.status && !enum_named<VmState>(*filter.status))
    return make_error(
        Code::invalid_argument,
        "\"" + std::string(*filter.status) + "\" is no status; there are unknown, created, running, paused, shutdown",
        "bad-query");
  if (const auto host = request.query_value("host_id")) {
    if (!core::is_uuid(*host))
      return make_error(Code::invalid_argument, "host_id: \"" + std::string(*host) + "\" is not a UUID", "bad-uuid");
    filter.host_id = core::to_lower(*host);
  }
  filter.tags = elements_of(request, "tags");
  if (page.cursor) {
    QARAX_TRY(filter.after, order_of(*page.cursor));
  }
  return filter;
}

}  // namespace

Answer list_vms(const http::Request& request, const StoreReads& store, VmRenderer& renderer) {
  QARAX_TRY(const Page page, page_of(request));
  QARAX_TRY(const Filter filter, filter_of(request, page));
  std::vector<VmPtr> vms = store.vms();
  const std::size_t all = vms.size();
  if (!request.query.empty()) std::erase_if(vms, [&](const VmPtr& vm) { return !filter.shows(*vm); });
  const bool more = vms.size() > page.limit;
  if (more) vms.resize(page.limit);
  auto response = http::Response::json(renderer.list(vms, all));
  if (more) add_next(response, request, std::to_string(vms.back()->order));
  return response;
}

}  // namespace qarax::server
