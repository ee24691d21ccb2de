-- One row per clock and product, category, kind of device, place, or all goods:
-- how long visitors took to buy. The clocks start with the first and with the last view of the product by the
-- visitor, after the purchase before (of the same product, at an earlier moment) and within the look-back;
-- and with the first event of the session of the purchase. Views at the moment of the purchase count, with 0
-- seconds. Purchases without such a view are not measured (`purchases_without_view`), nor are those outside
-- any session by the third clock. Only purchases since interactions are recorded count; device and place are
-- those of the purchase. Who has not bought is missing here, which makes the times look short:
-- behavior.purchase_survival counts them.
with clock as (
    select
        c.first_interaction_date,
        p.purchase_lookback_days * interval '24 hours' as look_back,
        p.min_group_size
    from core.clock as c
    cross join core.parameters as p
),

goods as (
    select
        p.product_id,
        p.product_name,
        p.category
    from core.products as p
    where p.product_type = 'goods'
),

visits as (
    select
        v.session_id,
        v.started_at
    from core.visits as v
),

purchases as (
    select
        a.event_id,
        a.visitor_id,
        a.product_id,
        g.category,
        a.device_type,
        a.location,
        a.occurred_at,
        v.started_at
    from core.activity as a
    cross join clock as c
    inner join goods as g on a.product_id = g.product_id
    left join visits as v on a.session_id = v.session_id
    where a.event_type = 'purchase' and a.occurred_date >= c.first_interaction_date
),

views as (
    select
        a.visitor_id,
        a.product_id,
        a.session_id,
        a.occurred_at
    from core.activity as a
    where a.event_type = 'view'
        and exists (
            select 1
            from purchases as p
            where p.visitor_id = a.visitor_id and p.product_id = a.product_id
        )
),

walks as (
    select
        v.visitor_id,
        v.product_id,
        v.session_id,
        v.occurred_at,
        1 as step
    from views as v
    union all
    select distinct
        p.visitor_id,
        p.product_id,
        null as session_id,
        p.occurred_at,
        2 as step
    from purchases as p
    where p.visitor_id is not null
),

-- the purchase that a view leads to is the next one
next_purchases as (
    select
        w.visitor_id,
        w.product_id,
        w.session_id,
        w.occurred_at,
        w.step,
        min(case when w.step = 2 then w.occurred_at end) over (
            partition by w.visitor_id, w.product_id order by w.occurred_at, w.step
            rows between current row and unbounded following
        ) as purchase_at
    from walks as w
),

looks as (
    select
        l.visitor_id,
        l.product_id,
        l.purchase_at,
        min(l.occurred_at) as first_view_at,
        max(l.occurred_at) as last_view_at,
        count(*) as views,
        count(distinct l.session_id) as sessions
    from next_purchases as l
    cross join clock as c
    where l.step = 1 and l.occurred_at > l.purchase_at - c.look_back
    group by l.visitor_id, l.product_id, l.purchase_at
),

measured as (
    select
        p.event_id,
        p.product_id,
        p.category,
        p.device_type,
        p.location,
        l.views,
        l.sessions,
        extract(epoch from p.occurred_at - l.first_view_at) as first_view_seconds,
        extract(epoch from p.occurred_at - l.last_view_at) as last_view_seconds,
        extract(epoch from greatest(p.occurred_at, p.started_at) - p.started_at) as session_seconds
    from purchases as p
    left join looks as l
        on p.visitor_id = l.visitor_id and p.product_id = l.product_id and p.occurred_at = l.purchase_at
),

timed as (
    select
        s.scope,
        case s.scope
            when 'all' then 'all'
            when 'product' then m.product_id
            when 'category' then m.category
            when 'device_type' then m.device_type
            else m.location
        end as key,
        t.clock,
        case t.clock
            when 'first_view' then m.first_view_seconds
            when 'last_view' then m.last_view_seconds
            else m.session_seconds
        end as seconds,
        m.views,
        m.sessions
    from measured as m
    cross join (values ('all'), ('product'), ('category'), ('device_type'), ('location')) as s(scope)
    cross join (values ('first_view'), ('last_view'), ('session_start')) as t(clock)
),

figures as (
    select
        t.scope,
        t.key,
        t.clock,
        count(*) as purchases,
        count(*) filter (where t.views is null) as purchases_without_view,
        count(t.seconds) as n,
        sum(t.seconds)::double precision / nullif(count(t.seconds), 0) as mean_seconds,
        percentile_cont(0.25) within group (order by t.seconds::double precision) as p25_seconds,
        percentile_cont(0.5) within group (order by t.seconds::double precision) as median_seconds,
        percentile_cont(0.75) within group (order by t.seconds::double precision) as p75_seconds,
        percentile_cont(0.9) within group (order by t.seconds::double precision) as p90_seconds,
        sum(t.views)::double precision / nullif(count(t.views), 0) as mean_views_before,
        sum(t.sessions)::double precision / nullif(count(t.views), 0) as mean_sessions_before
    from timed as t
    group by t.scope, t.key, t.clock
),

final as (
    select
        f.scope,
        f.key,
        f.clock,
        g.product_id,
        g.product_name,
        case when f.scope = 'category' then f.key else g.category end as category,
        f.purchases,
        f.purchases_without_view,
        f.n,
        f.mean_seconds,
        f.p25_seconds,
        f.median_seconds,
        f.p75_seconds,
        f.p90_seconds,
        case when f.clock <> 'session_start' then f.mean_views_before end as mean_views_before,
        case when f.clock <> 'session_start' then f.mean_sessions_before end as mean_sessions_before,
        f.n < c.min_group_size as low_n
    from figures as f
    cross join clock as c
    left join goods as g on f.scope = 'product' and f.key = g.product_id
)

select * from final
