-- How do visits and their conversion develop?
-- One row per week that begins on Monday, the last thirteen, the running one included (`is_complete` is
-- false): visits without robots, how many bounced (one event, no purchase), how many were engaged, how many
-- ended in a purchase, and what they brought before returns. Visitors of several days cannot be added up and
-- are left out.
with days as (
    select
        d.day,
        d.sessions,
        d.bounces,
        d.engaged_sessions,
        d.pages,
        d.converted_sessions,
        d.orders,
        d.net_sales,
        d.is_complete,
        d.currency
    from behavior.sessions_daily as d
),

weeks as (
    select
        date_trunc('week', d.day)::date as week,
        count(*) filter (where d.is_complete) = 7 as is_complete,
        sum(d.sessions)::bigint as sessions,
        sum(d.bounces)::bigint as bounces,
        sum(d.engaged_sessions)::bigint as engaged_sessions,
        sum(d.pages)::bigint as pages,
        sum(d.converted_sessions)::bigint as converted_sessions,
        sum(d.orders)::bigint as orders,
        sum(d.net_sales) as net_sales,
        max(d.currency) as currency
    from days as d
    group by date_trunc('week', d.day)::date
),

ranked as (
    select
        row_number() over (order by w.week desc) as place,
        w.week,
        w.is_complete,
        w.sessions,
        w.bounces,
        w.engaged_sessions,
        w.pages,
        w.converted_sessions,
        w.orders,
        w.net_sales,
        w.currency
    from weeks as w
),

final as (
    select
        r.week,
        r.is_complete,
        r.sessions,
        r.bounces,
        r.bounces::double precision / nullif(r.sessions, 0) as bounce_rate,
        r.engaged_sessions,
        r.engaged_sessions::double precision / nullif(r.sessions, 0) as engaged_rate,
        r.pages,
        r.pages::double precision / nullif(r.sessions, 0) as pages_per_session,
        r.converted_sessions,
        r.converted_sessions::double precision / nullif(r.sessions, 0) as session_conversion,
        r.orders,
        r.net_sales,
        r.currency
    from ranked as r
    where r.place <= 13
)

select * from final
order by week
