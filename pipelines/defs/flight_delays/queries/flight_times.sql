-- Flights with their instants. Scheduled arrival is a local time at the destination (HHMM); it is the
-- first such time after departure, so an overnight arrival falls on the next day. The four destinations
-- that the airport table lacks (SJU, BQN, PSE, STT) keep Atlantic time.
WITH local AS (
  SELECT
    flights.*,
    coalesce(airports.tzone, 'America/Puerto_Rico') AS zone,
    scheduled_departure AT TIME ZONE coalesce(airports.tzone, 'America/Puerto_Rico') AS departs_local,
    to_minutes(CAST(sched_arr_time // 100 * 60 + sched_arr_time % 100 AS INTEGER)) AS arrives_after_midnight
  FROM flights LEFT JOIN airports ON airports.faa = flights.dest
), planned AS (
  SELECT *, date_trunc('day', departs_local) + arrives_after_midnight AS same_day FROM local
), timed AS (
  SELECT
    *,
    CASE WHEN same_day < departs_local + INTERVAL 15 MINUTE THEN same_day + INTERVAL 1 DAY ELSE same_day END
      AT TIME ZONE zone AS scheduled_arrival
  FROM planned
)
SELECT
  carrier, flight, tailnum, origin, dest, distance, scheduled_departure, scheduled_arrival,
  date_diff('minute', scheduled_departure, scheduled_arrival) AS scheduled_minutes,
  hour(scheduled_departure AT TIME ZONE 'America/New_York') AS departure_hour,
  isodow(scheduled_departure AT TIME ZONE 'America/New_York') AS weekday,
  dep_delay, arr_delay,
  scheduled_departure + to_minutes(CAST(dep_delay AS INTEGER)) AS actual_departure,
  scheduled_arrival + to_minutes(CAST(arr_delay AS INTEGER)) AS actual_arrival
FROM timed
