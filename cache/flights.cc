#include "cache/flights.h"

#include <utility>

namespace sportello::cache {
namespace {

constexpr size_t kKeptFlights = 64;

}  // namespace

Flights::Joined Flights::join_or_lead(const KeyView& key, Filling&& filling, const SessionFloor& floor,
                                      const AnswerForm& form, const std::function<Waiter()>& make_waiter) {
  Joined joined;
  const std::scoped_lock lock(mutex_);
  auto found = flights_.find(key.hash);
  const bool is_other = found != flights_.end() && found->second->key != key.bytes;
  // The floor first, the epochs last, as in a look-up.
  if (found != flights_.end() && !is_other && found->second->form.covers(form) &&
      floor.is_in(found->second->filling.as_of) && found->second->filling.snapshot.is_valid()) {
    Flight& flight = *found->second;
    joined.ticket.flights_ = this;
    joined.ticket.flight_ = found->second;
    joined.ticket.number_ = ++next_number_;
    flight.waiters.emplace_back(joined.ticket.number_, make_waiter());
    joined_.fetch_add(1, std::memory_order_relaxed);
    return joined;
  }
  std::shared_ptr<Flight> flight;
  if (found == flights_.end() && !landed_.empty()) {
    InTheAir::node_type node = std::move(landed_.back());
    landed_.pop_back();
    node.key() = key.hash;
    // Nobody but a Ticket that was left behind may still know it, and that finds its number no more.
    if (node.mapped().use_count() == 1) flight = node.mapped();
    found = flights_.insert(std::move(node)).position;
  }
  if (flight == nullptr) flight = std::make_shared<Flight>();
  flight->key.assign(key.bytes);
  flight->hash = key.hash;
  flight->filling = std::move(filling);
  flight->form = form;
  if (found == flights_.end()) {
    flights_.emplace(key.hash, flight);
  } else if (!is_other) {
    found->second = flight;
  }
  flown_.fetch_add(1, std::memory_order_relaxed);
  joined.lead = Lead(*this, std::move(flight));
  return joined;
}

Flights::Landed Flights::take_down(Flight& flight) {
  InTheAir::node_type place;  // freed, if it is, after the lock
  Landed landed;
  const std::scoped_lock lock(mutex_);
  landed.filling = std::exchange(flight.filling, {});
  landed.waiters = std::exchange(flight.waiters, {});
  const auto found = flights_.find(flight.hash);
  if (found == flights_.end() || found->second.get() != &flight) return landed;
  place = flights_.extract(found);
  if (landed_.size() < kKeptFlights) landed_.push_back(std::move(place));
  return landed;
}

size_t Flights::in_the_air() const {
  const std::scoped_lock lock(mutex_);
  return flights_.size();
}

Flights::Lead& Flights::Lead::operator=(Lead&& other) noexcept {
  if (this != &other) {
    end(Landing::Again, nullptr);
    flights_ = other.flights_;
    flight_ = std::exchange(other.flight_, nullptr);
  }
  return *this;
}

KeyView Flights::Lead::key() const { return {flight_->key, flight_->hash}; }

const Filling& Flights::Lead::filling() const { return flight_->filling; }

void Flights::Lead::end(Landing how, const CachedResultRef& result) {
  if (flight_ == nullptr) return;
  Landed landed = flights_->take_down(*flight_);
  flight_.reset();
  for (const auto& [number, waiter] : landed.waiters) waiter(how, result);
}

bool Flights::Ticket::leave() {
  const std::shared_ptr<Flight> flight = flight_.lock();
  if (flight == nullptr) return false;
  const std::scoped_lock lock(flights_->mutex_);
  return std::erase_if(flight->waiters, [this](const auto& waiter) { return waiter.first == number_; }) != 0;
}

}  // namespace sportello::cache
