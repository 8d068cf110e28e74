-- Where the aircraft stands in its day, as of the minute after each event: it left New York, it arrived, or it is
-- half an hour overdue. `slack_minutes` is what the timetable leaves before its next departure from New York if it
-- flies straight there and back; negative when it cannot be back in time, NULL when it rests for more than a day.
WITH legs AS (
  SELECT *, lead(scheduled_departure) OVER (
    PARTITION BY tailnum ORDER BY scheduled_departure, carrier, flight, origin) AS next_departure
  FROM flight_times WHERE tailnum IS NOT NULL
), events AS (
  SELECT *, 1 AS stage, actual_departure AS happened, dep_delay AS minutes_behind, 2 AS legs_to_fly
  FROM legs WHERE actual_departure IS NOT NULL
  UNION ALL
  SELECT *, 2, actual_arrival, arr_delay, 1 FROM legs WHERE actual_arrival IS NOT NULL
  UNION ALL
  SELECT *, 0, scheduled_departure + INTERVAL 30 MINUTE, 30, 2 FROM legs
  WHERE coalesce(actual_departure > scheduled_departure + INTERVAL 30 MINUTE, true)
), newest AS (
  SELECT * FROM events
  QUALIFY row_number() OVER (
    PARTITION BY tailnum, happened ORDER BY scheduled_departure DESC, stage DESC, carrier, flight, origin) = 1
)
SELECT
  tailnum, happened + INTERVAL 1 MINUTE AS event_timestamp,
  stage AS last_event,
  minutes_behind,
  CASE WHEN next_departure > happened AND next_departure <= happened + INTERVAL 1 DAY
    THEN date_diff('minute', happened, next_departure) - legs_to_fly * scheduled_minutes END AS slack_minutes,
  year(happened) - planes.year AS age_years
FROM newest LEFT JOIN planes USING (tailnum)
