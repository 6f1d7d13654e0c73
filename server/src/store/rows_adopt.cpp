#include <Poco/Data/Statement.h>

#include <chrono>

#include "qarax/core/clock.hpp"
#include "row_values.hpp"
#include "rows.hpp"

namespace qarax::server::rows {

using namespace Poco::Data::Keywords;

bool has_activation(Session& session, const std::string& activation) {
  std::string id = activation;
  std::int64_t count = 0;
  session << "SELECT COUNT(*) FROM activations WHERE id = $1", use(id), into(count), now;
  return count > 0;
}

std::optional<std::int64_t> end_of_activation(Session& session, const std::string& activation) {
  std::string id = activation;
  std::int64_t end = -1;
  session
      << "SELECT COALESCE(MIN(began_at), -1) FROM activations WHERE term > (SELECT term FROM activations WHERE id = "
         "$1)",
      use(id), into(end), now;
  if (end < 0) return std::nullopt;
  return end;
}

void set_needs_adopt(Session& session, const std::string& host_id, const std::string& why) {
  std::string id = host_id;
  std::string proof = why;
  session << "UPDATE hosts SET needs_adopt = $1 WHERE id = $2", use(proof), use(id), now;
}

void redefine_vm(Session& session, const VmRecord& vm) {
  std::string id = vm.id;
  std::string name = vm.name;
  Poco::Nullable<std::string> description = nullable(vm.description);
  std::string spec = spec_text(vm);
  Poco::Nullable<std::string> boot_source = nullable(vm.boot_source_id);
  std::string tags = encode(vm.tags);
  session << "UPDATE vms SET name = $1, description = $2, spec = $3, boot_source_id = $4, tags = $5 WHERE id = $6",
      use(name), use(description), use(spec), use(boot_source), use(tags), use(id), now;
}

std::optional<std::int64_t> end_of_epoch(Session& session, std::int64_t epoch) {
  std::int64_t end = -1;
  session << "SELECT COALESCE(MIN(began_at), -1) FROM activations WHERE term > (SELECT MAX(term) FROM activations "
             "WHERE epoch = $1)",
      use(epoch), into(end), now;
  if (end < 0) return std::nullopt;
  return end;
}

void begin_activation(Session& session, const Activation& next) {
  // A database that was lost or set back may have used later epochs than this one knows, so a new epoch is made from
  // the wall clock. In milliseconds, because a killed server and the one started from its backup may begin within one
  // second.
  std::int64_t ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  session << "UPDATE event_counter SET epoch = CASE WHEN epoch < $1 THEN $1 ELSE epoch + 1 END", use(ms), now;
  std::int64_t term = next.term;
  std::string id = next.id;
  std::string at = core::to_rfc3339(std::chrono::system_clock::now());
  session << "INSERT INTO activations (term, id, at, began_at, epoch) VALUES ($1, $2, $3, (SELECT seq FROM "
             "event_counter), (SELECT epoch FROM event_counter))",
      use(term), use(id), use(at), now;
}

void begin_term(Session& session, const Activation& next) {
  std::int64_t term = next.term;
  session << "UPDATE cluster SET term = $1", use(term), now;
  begin_activation(session, next);
}

}  // namespace qarax::server::rows
