#include "authority.hpp"

#include "qarax/core/files.hpp"
#include "qarax/plugin/fields.hpp"

namespace qarax {

template <>
struct Fields<agent::AuthorityClaim> {
  using T = agent::AuthorityClaim;
  static constexpr std::string_view kName = "Authority";
  static constexpr auto kTable =
      field_table(field<&T::cluster_id>("cluster_id").required(), field<&T::term>("term").required(),
                  field<&T::activation>("activation").required());
};
QARAX_FIELDS_COMPLETE(agent::AuthorityClaim);

namespace agent {

Result<std::unique_ptr<AuthorityStore>> AuthorityStore::open(std::string path) {
  std::unique_ptr<AuthorityStore> store(new AuthorityStore(std::move(path)));
  auto text = core::read_file(store->path_, 65536);
  if (!text && text.error().code == Code::not_found) return store;
  if (!text) return std::move(text).error();
  auto claim = decode<AuthorityClaim>(std::string_view(*text), Unknown::ignore);
  if (!claim)
    return std::move(claim).error().context(store->path_ +
                                            " is damaged; without it the node can't tell which server it obeys. "
                                            "Restore it, or remove it to obey the next one");
  store->current_ = std::move(*claim);
  return store;
}

Result<AuthorityStore::Obeyed> AuthorityStore::greet(const AuthorityClaim& claim) {
  if (claim.cluster_id.empty() || claim.term <= 0)
    return make_error(Code::invalid_argument, "a greeting needs cluster_id and a term above 0");
  const std::lock_guard lock(mutex_);
  if (!current_.cluster_id.empty() && current_.cluster_id != claim.cluster_id)
    return make_error(Code::failed_precondition,
                      "this node belongs to cluster " + current_.cluster_id + ", the server to cluster " +
                          claim.cluster_id + "; if that server shall have the node, adopt its host there",
                      "other-cluster");
  // Two copies of one database reach the same term: the second one is as stale as a lower term.
  if (claim.term < current_.term || (claim.term == current_.term && claim.activation != current_.activation))
    return make_error(Code::aborted,
                      "the server has term " + std::to_string(claim.term) + ", the node obeyed term " +
                          std::to_string(current_.term) +
                          " already: another server is active, or this one's database was rolled back",
                      "stale-term");
  Obeyed before{current_.activation, current_.term};
  QARAX_CHECK(obey(claim));
  return before;
}

Status AuthorityStore::obey(const AuthorityClaim& claim) {
  if (claim == current_) return Ok{};
  QARAX_CHECK(core::write_file_durably(path_, encode(claim, Defaults::write)));
  current_ = claim;
  return Ok{};
}

Status AuthorityStore::adopt(const AuthorityClaim& claim, const AuthorityClaim& seen) {
  if (claim.cluster_id.empty() || claim.term <= 0)
    return make_error(Code::invalid_argument, "an adopt needs cluster_id and a term above 0");
  const std::lock_guard lock(mutex_);
  if (current_ == claim) return Ok{};
  if (!(current_ == seen))
    return make_error(Code::aborted,
                      "the node obeys term " + std::to_string(current_.term) + " of cluster " + current_.cluster_id +
                          " now; make the plan anew",
                      "plan-changed");
  return obey(claim);
}

AuthorityClaim AuthorityStore::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

Status AuthorityStore::check(const AuthorityClaim& claim) const {
  const std::lock_guard lock(mutex_);
  if (claim.cluster_id != current_.cluster_id)
    return make_error(Code::failed_precondition, "the command comes from another cluster; greet the node first",
                      "other-cluster");
  if (claim.term != current_.term || claim.activation != current_.activation)
    return make_error(Code::aborted,
                      "the command has term " + std::to_string(claim.term) + ", the node obeys term " +
                          std::to_string(current_.term) +
                          (claim.term == current_.term ? " of another server that came in between" : ""),
                      "stale-term");
  return Ok{};
}

}  // namespace agent
}  // namespace qarax
