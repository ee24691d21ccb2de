-- When is the shop busiest?
-- The ten busiest hours of the week, once by events of visitors (`all`) and once by orders of all shops
-- (`orders`), in local time. `per_hour` is the mean of that hour of that weekday, so that weekdays that the
-- data hold more often, and the changes of the clocks, do not count more. `share` is of all 168 hours of the
-- week.
with ranked as (
    select
        t.event_type as measure,
        row_number() over (
            partition by t.event_type order by t.per_hour desc, t.iso_weekday, t.hour
        ) as rank,
        t.iso_weekday,
        t.hour,
        t.total,
        t.share,
        t.hours,
        t.per_hour
    from behavior.peak_times as t
    where t.event_type in ('all', 'orders') and t.total > 0
),

final as (
    select
        r.measure,
        r.rank,
        case r.iso_weekday
            when 1 then 'Monday'
            when 2 then 'Tuesday'
            when 3 then 'Wednesday'
            when 4 then 'Thursday'
            when 5 then 'Friday'
            when 6 then 'Saturday'
            else 'Sunday'
        end as weekday,
        r.hour,
        r.total,
        r.share,
        r.hours,
        r.per_hour
    from ranked as r
    where r.rank <= 10
)

select * from final
order by measure, rank
