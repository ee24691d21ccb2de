-- One row per month for all sessions together, and one per session whose events, purchases or money are not
-- those of core.events.
with events as (
    select
        e.occurred_month,
        e.session_id,
        count(*) as events,
        count(*) filter (where e.event_type = 'purchase') as purchases,
        coalesce(sum(e.value) filter (where e.sale_id is not null), 0) as net_sales
    from core.events as e
    where e.session_id is not null
    group by e.occurred_month, e.session_id
),

sessions as (
    select
        s.session_month,
        s.session_id,
        s.events,
        s.purchases,
        s.net_sales
    from core.sessions as s
),

compared as (
    select
        coalesce(s.session_month, e.occurred_month) as month,
        coalesce(s.session_id, e.session_id) as session_id,
        coalesce(s.events, 0) as events,
        coalesce(e.events, 0) as events_right,
        coalesce(s.purchases, 0) as purchases,
        coalesce(e.purchases, 0) as purchases_right,
        coalesce(s.net_sales, 0) as net_sales,
        coalesce(e.net_sales, 0) as net_sales_right
    from sessions as s
    full join events as e on s.session_month = e.occurred_month and s.session_id = e.session_id
),

final as (
    select
        'core.sessions' as derived,
        to_char(c.month, 'YYYY-MM') || ' events' as item,
        sum(c.events) as left_value,
        sum(c.events_right) as right_value,
        sum(c.events - c.events_right) as difference
    from compared as c
    group by to_char(c.month, 'YYYY-MM')
    union all
    select
        'core.sessions' as derived,
        c.session_id || ' events' as item,
        c.events as left_value,
        c.events_right as right_value,
        c.events - c.events_right as difference
    from compared as c
    where c.events <> c.events_right
    union all
    select
        'core.sessions' as derived,
        c.session_id || ' purchases' as item,
        c.purchases as left_value,
        c.purchases_right as right_value,
        c.purchases - c.purchases_right as difference
    from compared as c
    where c.purchases <> c.purchases_right
    union all
    select
        'core.sessions' as derived,
        c.session_id || ' net sales' as item,
        c.net_sales as left_value,
        c.net_sales_right as right_value,
        c.net_sales - c.net_sales_right as difference
    from compared as c
    where c.net_sales <> c.net_sales_right
)

select * from final
