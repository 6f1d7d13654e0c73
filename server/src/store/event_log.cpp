#include "event_log.hpp"

#include <Poco/Data/RecordSet.h>
#include <Poco/Data/Statement.h>

#include <algorithm>
#include <utility>

#include "row_values.hpp"
#include "rows.hpp"

namespace qarax::server {

namespace {

using namespace Poco::Data::Keywords;
using Poco::Data::RecordSet;
using Poco::Data::Statement;

constexpr std::size_t kRowsInOne = 64;           // rows in one INSERT
constexpr std::int64_t kPrunedAtOnce = 200'000;  // each minute; more could exceed a statement's time limit

}  // namespace

void EventLog::load(Session& session) {
  const auto [epoch, seq] = session.numbers<2>("SELECT epoch, seq FROM event_counter");
  const auto [oldest] = session.numbers<1>("SELECT COALESCE((SELECT MIN(seq) FROM events), 0)");
  feed_.reset({epoch, seq}, oldest == 0 ? seq + 1 : oldest);
}

void EventLog::write(Session& session) {
  written_.clear();
  if (added_.empty()) return;
  std::int64_t count = static_cast<std::int64_t>(added_.size());
  auto [epoch, last] = session.numbers<2>("UPDATE event_counter SET seq = seq + $1 RETURNING epoch, seq", count);
  std::int64_t ran = ran_.seconds();
  std::vector<std::int64_t> seqs;
  std::vector<std::string> documents;
  seqs.reserve(added_.size());
  documents.reserve(added_.size());
  for (const Event& event : added_) {
    seqs.push_back(last - count + 1 + static_cast<std::int64_t>(seqs.size()));
    documents.push_back(encode(event, Defaults::write));
  }
  // Usually there is one event; its statement is compiled once.
  if (seqs.size() == 1)
    session.post("INSERT INTO events (seq, epoch, document, ran) VALUES ($1, $2, $3, $4)", seqs.front(), epoch,
                 documents.front(), ran);
  for (std::size_t from = 0; seqs.size() > 1 && from < seqs.size(); from += kRowsInOne) {
    const std::size_t end = std::min(seqs.size(), from + kRowsInOne);
    std::string sql = "INSERT INTO events (seq, epoch, document, ran) VALUES ";
    int parameter = 0;
    for (std::size_t i = from; i < end; ++i) {
      sql.append(i == from ? "($" : ", ($").append(std::to_string(++parameter));
      sql.append(", $").append(std::to_string(++parameter));
      sql.append(", $").append(std::to_string(++parameter));
      sql.append(", $").append(std::to_string(++parameter)).append(")");
    }
    Statement insert = session.statement();
    insert << sql;
    for (std::size_t i = from; i < end; ++i) insert, use(seqs[i]), use(epoch), use(documents[i]), use(ran);
    session.asked();  // each statement gets the full time limit for its answer
    insert.execute();
  }
  for (std::size_t i = 0; i < seqs.size(); ++i)
    written_.push_back(
        std::make_shared<const LoggedEvent>(LoggedEvent{seqs[i], std::move(added_[i]), std::move(documents[i])}));
  added_.clear();
}

void EventLog::committed() {
  if (!written_.empty()) feed_.append(std::exchange(written_, {}));
}

std::int64_t EventLog::stored_epoch(Session& session) const {
  return session.numbers<1>("SELECT epoch FROM event_counter")[0];
}

EventPage EventLog::stored_after(Session& session, std::int64_t seq, std::size_t most) const {
  EventPage page;
  std::int64_t from = seq;
  // What its commit hasn't shown yet isn't for readers: they would ask memory for a VM that it doesn't have.
  std::int64_t last = feed_.last().seq;
  std::int64_t limit = static_cast<std::int64_t>(most);
  Statement select = session.statement();
  select << "SELECT seq, document FROM events WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3", use(from), use(last),
      use(limit), now;
  const RecordSet set(select);
  for (std::size_t row = 0; row < set.rowCount(); ++row) {
    LoggedEvent one;
    one.seq = rows::number(set, 0, row);
    one.document = rows::text(set, 1, row);
    auto event = decode<Event>(std::string_view(one.document), Unknown::ignore);
    if (!event) throw rows::BadRow("events " + std::to_string(one.seq) + ": " + event.error().message);
    one.event = std::move(*event);
    page.events.push_back(std::make_shared<const LoggedEvent>(std::move(one)));
  }
  // Numbers have no gaps but those that removal leaves, which may happen meanwhile.
  page.complete = page.events.empty() ? seq + 1 >= feed_.oldest() : page.events.front()->seq == seq + 1;
  return page;
}

std::int64_t EventLog::prune(Session& session, std::int64_t keep, std::int64_t keep_s) const {
  // Times grow with the numbers, so this reads only rows that are too old and the first that isn't.
  const auto [young] = session.numbers<1>(
      "SELECT COALESCE((SELECT seq FROM events WHERE ran >= $1 ORDER BY seq LIMIT 1), (SELECT seq + 1 FROM "
      "event_counter))",
      ran_.seconds() - keep_s);
  const auto [stored] = session.numbers<1>("SELECT COALESCE(MIN(seq), 0) FROM events");
  const std::int64_t all = std::max(feed_.last().seq - keep + 1, young);
  const std::int64_t first = std::min(all, stored + kPrunedAtOnce);
  session.run("DELETE FROM events WHERE seq < $1", first);
  return first;
}

}  // namespace qarax::server
