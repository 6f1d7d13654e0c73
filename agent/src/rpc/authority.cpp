#include "authority.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "qarax/core/counting.hpp"
#include "qarax/core/logging.hpp"
#include "qarax/plugin/fields.hpp"

namespace qarax {

namespace agent {
namespace {
// position.json has a fixed length, so that overwriting it in place leaves either the old content or the new one.
struct Position {
  std::string activation{};
  std::int64_t position = 0;
};
constexpr std::size_t kPositionBytes = 256;
constexpr std::chrono::seconds kBetweenTries{5};  // after a write that failed

// An obeyed term is never given up for a lower one: after the highest possible term no server could be obeyed.
Status check_claim(const AuthorityClaim& claim, const std::string& what) {
  if (claim.cluster_id.empty() || claim.term <= 0)
    return make_error(Code::invalid_argument, what + " needs cluster_id and a term above 0");
  if (claim.term <= core::kLargestNumber) return Ok{};
  return make_error(Code::invalid_argument, what + " has term " + std::to_string(claim.term) +
                                                ": no server was started so often, so this one's database is broken");
}
}  // namespace
}  // namespace agent

template <>
struct Fields<agent::Position> {
  using T = agent::Position;
  static constexpr std::string_view kName = "position.json";
  static constexpr auto kTable =
      field_table(field<&T::activation>("activation").required(), field<&T::position>("position").required().min(0));
};
QARAX_FIELDS_COMPLETE(agent::Position);

namespace agent {

Result<std::unique_ptr<AuthorityStore>> AuthorityStore::open(std::string path) {
  std::unique_ptr<AuthorityStore> store(new AuthorityStore(std::move(path)));
  QARAX_TRY(store->current_, store->file_.read());
  if (store->current_.cluster_id.empty()) return store;
  store->load_position();
  // Convert an older agent's file to the fixed length now, not when the disk is full.
  if (const Status kept = store->file_.write(store->current_); !kept)
    core::logger("node")->warn("cluster.json can't be written reason={}", core::log_value(kept.error().message));
  return store;
}

// A file that can't be read counts as no position. The obeyed server's next position overwrites it.
void AuthorityStore::load_position() {
  if (const auto text = core::read_file(position_path(), kPositionBytes))
    if (const auto kept = decode<Position>(std::string_view(*text), Unknown::ignore);
        kept && !current_.activation.empty() && kept->activation == current_.activation)
      position_ = kept->position;
}

std::string AuthorityStore::position_path() const {
  return (std::filesystem::path(file_.path()).parent_path() / "position.json").string();
}

void AuthorityStore::reached(const AuthorityClaim& claim, std::int64_t position) {
  const std::lock_guard lock(mutex_);
  if (!(claim == current_)) return;
  keep_again();
  if (position <= position_) return;
  position_ = position;
  if (!position_file_) position_file_.reset(::open(position_path().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  std::string text = encode(Position{current_.activation, position}, Defaults::write);
  if (text.size() >= kPositionBytes) return;
  text.append(kPositionBytes - 1 - text.size(), ' ').push_back('\n');
  if (::pwrite(position_file_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    core::logger("node")->debug("the server's position can't be kept position={} errno={}", position, errno);
}

AuthorityStore::Standing AuthorityStore::standing() const {
  const std::lock_guard lock(mutex_);
  return {current_, position_};
}

Result<AuthorityStore::Obeyed> AuthorityStore::greet(const AuthorityClaim& claim) {
  QARAX_CHECK(check_claim(claim, "a greeting"));
  const std::lock_guard lock(mutex_);
  if (!current_.cluster_id.empty() && current_.cluster_id != claim.cluster_id)
    return make_error(Code::failed_precondition,
                      "this node belongs to cluster " + current_.cluster_id + ", the server to cluster " +
                          claim.cluster_id + "; if that server shall have the node, adopt its host there",
                      "other-cluster");
  // Two copies of one database reach the same term, so another activation of the same term is as stale as a lower term.
  if (claim.term < current_.term || (claim.term == current_.term && claim.activation != current_.activation))
    return make_error(Code::aborted,
                      "the server has term " + std::to_string(claim.term) + ", the node obeyed term " +
                          std::to_string(current_.term) +
                          " already: another server is active, or this one's database was rolled back",
                      "stale-term");
  Obeyed before{current_.activation, current_.term};
  const Status kept = obey(claim);
  if (kept) return before;
  // A full disk must not lock out the server that could delete what fills it. A first cluster is refused, however: a
  // node that forgets it after a restart could obey two.
  if (!kept.error().reason.starts_with("disk-") || current_.cluster_id != claim.cluster_id) return kept.error();
  core::logger("node")->warn(
      "the server's term is obeyed and can't be kept: an agent started now would obey an older one term={} reason={}",
      claim.term, core::log_value(kept.error().message));
  take(claim);
  is_unkept_ = true;
  return before;
}

Status AuthorityStore::obey(const AuthorityClaim& claim) {
  if (claim == current_) return Ok{};
  QARAX_CHECK(file_.write(claim));
  take(claim);
  return Ok{};
}

void AuthorityStore::take(const AuthorityClaim& claim) {
  current_ = claim;
  position_ = 0;
  is_unkept_ = false;
}

void AuthorityStore::keep_again() {
  const auto now = std::chrono::steady_clock::now();
  if (!is_unkept_ || now < next_try_) return;
  next_try_ = now + kBetweenTries;
  if (!file_.write(current_)) return;
  is_unkept_ = false;
  core::logger("node")->info("the server's term is kept now term={}", current_.term);
}

Status AuthorityStore::adopt(const AuthorityClaim& claim, const AuthorityClaim& seen) {
  QARAX_CHECK(check_claim(claim, "an adopt"));
  const std::lock_guard lock(mutex_);
  if (current_ == claim) return Ok{};
  if (!(current_ == seen))
    return make_error(Code::aborted,
                      "the node obeys term " + std::to_string(current_.term) + " of cluster " + current_.cluster_id +
                          " now; make the plan anew",
                      "plan-changed");
  return obey(claim);
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
