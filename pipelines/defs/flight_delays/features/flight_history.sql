-- How a flight (carrier, number, airports) fared on its days before, as of the midnight in New York after each day on
-- which it arrived: only flights that had arrived before it.
WITH days AS (
  SELECT carrier, flight, origin, dest,
    date_trunc('day', actual_arrival AT TIME ZONE 'America/New_York') + INTERVAL 1 DAY AS known_on,
    count(*) AS n, sum(arr_delay) AS delay, count(*) FILTER (arr_delay > 15) AS late, sum(arr_delay - dep_delay) AS lost
  FROM flight_times WHERE actual_arrival IS NOT NULL GROUP BY ALL
)
SELECT
  carrier, flight, origin, dest, known_on AT TIME ZONE 'America/New_York' AS event_timestamp,
  sum(late) OVER month / sum(n) OVER month AS late_share_28d,
  sum(delay) OVER month / sum(n) OVER month AS mean_delay_28d,
  sum(lost) OVER month / sum(n) OVER month AS minutes_lost_under_way_28d
FROM days
WINDOW month AS (
  PARTITION BY carrier, flight, origin, dest ORDER BY known_on RANGE BETWEEN INTERVAL 27 DAY PRECEDING AND CURRENT ROW)
