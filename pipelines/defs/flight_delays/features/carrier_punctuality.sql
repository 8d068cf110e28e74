-- How punctual the carrier was, as of every hour: only flights that had arrived before it.
WITH days AS (
  SELECT DISTINCT date_trunc('day', scheduled_departure AT TIME ZONE 'America/New_York') AS day FROM flight_times
), instants AS (
  SELECT unnest(generate_series(
    day AT TIME ZONE 'America/New_York',
    (day + INTERVAL 1 DAY) AT TIME ZONE 'America/New_York' - INTERVAL 1 HOUR,
    INTERVAL 1 HOUR)) AS known_at
  FROM days
), carriers AS (
  SELECT DISTINCT carrier FROM flight_times
), arrivals AS (
  SELECT carrier, time_bucket(INTERVAL 1 HOUR, actual_arrival) + INTERVAL 1 HOUR AS known_at,
    count(*) AS n, sum(arr_delay) AS delay, count(*) FILTER (arr_delay > 15) AS late
  FROM flight_times WHERE actual_arrival IS NOT NULL GROUP BY ALL
), steps AS (
  SELECT carrier, known_at, n, delay, late
  FROM carriers CROSS JOIN instants LEFT JOIN arrivals USING (carrier, known_at)
)
SELECT
  carrier, known_at AS event_timestamp,
  sum(late) OVER month / nullif(sum(n) OVER month, 0) AS late_share_28d,
  sum(delay) OVER month / nullif(sum(n) OVER month, 0) AS mean_delay_28d,
  sum(late) OVER week / nullif(sum(n) OVER week, 0) AS late_share_7d,
  sum(late) OVER day / nullif(sum(n) OVER day, 0) AS late_share_24h,
  sum(delay) OVER day / nullif(sum(n) OVER day, 0) AS mean_delay_24h
FROM steps
WINDOW
  month AS (PARTITION BY carrier ORDER BY known_at RANGE BETWEEN INTERVAL 671 HOUR PRECEDING AND CURRENT ROW),
  week AS (PARTITION BY carrier ORDER BY known_at RANGE BETWEEN INTERVAL 167 HOUR PRECEDING AND CURRENT ROW),
  day AS (PARTITION BY carrier ORDER BY known_at RANGE BETWEEN INTERVAL 23 HOUR PRECEDING AND CURRENT ROW)
