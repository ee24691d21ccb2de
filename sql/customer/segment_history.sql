-- One row per customer and stretch of time in one RFM segment, as it was seen at the end of each month.
-- A snapshot is taken at each month's end and at the as-of date. Each is scored by the rules of
-- `customer.rfm` among those who had ordered by then, with rows up to that day alone: no later order, and no
-- later customer, plays a part. A row stands where the segment differs from that of the snapshot before,
-- `valid_from` being the day of the snapshot; so the segment on a day is the row with that day between
-- `valid_from` and `valid_to`. Nobody stands here before the first order. Files that arrive late change the
-- past, and its segments with it.
with clock as (
    select
        c.as_of_date,
        p.rfm_window_days
    from core.clock as c
    cross join core.parameters as p
),

orders as (
    select
        o.customer_id,
        o.order_date,
        count(*) as orders
    from core.orders as o
    cross join clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id, o.order_date
),

sales as (
    select
        s.customer_id,
        s.sold_date,
        sum(s.net_sales) as net_sales
    from core.sales as s
    cross join clock as c
    where s.customer_id is not null and s.sold_date <= c.as_of_date and s.net_sales <> 0
    group by s.customer_id, s.sold_date
),

-- what comes into the figures in a month; with a window, also what drops out of them
entries as (
    select
        o.customer_id,
        date_trunc('month', o.order_date)::date as month,
        o.orders,
        o.order_date as last_order_date,
        0::numeric(18, 4) as net_sales
    from orders as o
    union all
    select
        o.customer_id,
        date_trunc('month', o.order_date + c.rfm_window_days)::date as month,
        -o.orders as orders,
        null as last_order_date,
        0::numeric(18, 4) as net_sales
    from orders as o
    cross join clock as c
    where o.order_date + c.rfm_window_days <= c.as_of_date
    union all
    select
        s.customer_id,
        date_trunc('month', s.sold_date)::date as month,
        0 as orders,
        null as last_order_date,
        s.net_sales
    from sales as s
    union all
    select
        s.customer_id,
        date_trunc('month', s.sold_date + c.rfm_window_days)::date as month,
        0 as orders,
        null as last_order_date,
        -s.net_sales as net_sales
    from sales as s
    cross join clock as c
    where s.sold_date + c.rfm_window_days <= c.as_of_date
),

monthly as (
    select
        e.customer_id,
        e.month,
        sum(e.orders) as orders,
        max(e.last_order_date) as last_order_date,
        sum(e.net_sales)::numeric(18, 4) as net_sales
    from entries as e
    group by e.customer_id, e.month
),

beginnings as (
    select
        m.customer_id,
        min(m.month) as month
    from monthly as m
    group by m.customer_id
    having count(m.last_order_date) > 0
),

snapshots as (
    select
        g.month::date as month,
        least((g.month + interval '1 month')::date - 1, c.as_of_date) as snapshot_date
    from (select min(b.month) as first_month from beginnings as b) as f
    cross join clock as c
    cross join lateral generate_series(f.first_month, c.as_of_date, interval '1 month') as g(month)
),

running as (
    select
        b.customer_id,
        s.snapshot_date,
        max(m.last_order_date) over (
            partition by b.customer_id order by s.month rows between unbounded preceding and current row
        ) as last_order_date,
        sum(m.orders) over (
            partition by b.customer_id order by s.month rows between unbounded preceding and current row
        ) as frequency,
        sum(m.net_sales) over (
            partition by b.customer_id order by s.month rows between unbounded preceding and current row
        ) as monetary
    from beginnings as b
    inner join snapshots as s on b.month <= s.month
    left join monthly as m on b.customer_id = m.customer_id and s.month = m.month
),

ranked as (
    select
        r.customer_id,
        r.snapshot_date,
        r.frequency,
        count(*) over (partition by r.snapshot_date) as scored,
        rank() over (partition by r.snapshot_date order by r.last_order_date) - 1 as less_recent,
        rank() over (partition by r.snapshot_date order by r.frequency) - 1 as less_frequent,
        rank() over (partition by r.snapshot_date order by coalesce(r.monetary, 0)) - 1 as less_monetary,
        min(r.last_order_date) over (partition by r.snapshot_date)
        = max(r.last_order_date) over (partition by r.snapshot_date) as recency_is_degenerate,
        min(r.frequency) over (partition by r.snapshot_date)
        = max(r.frequency) over (partition by r.snapshot_date) as frequency_is_degenerate,
        min(coalesce(r.monetary, 0)) over (partition by r.snapshot_date)
        = max(coalesce(r.monetary, 0)) over (partition by r.snapshot_date) as monetary_is_degenerate
    from running as r
    where r.frequency > 0
),

scored as (
    select
        r.customer_id,
        r.snapshot_date,
        r.frequency,
        case
            when r.recency_is_degenerate then 3
            else 1 + div(5 * r.less_recent, nullif(r.scored, 0))
        end::smallint as recency_score,
        case
            when r.frequency_is_degenerate then 3
            else 1 + div(5 * r.less_frequent, nullif(r.scored, 0))
        end::smallint as frequency_score,
        case
            when r.monetary_is_degenerate then 3
            else 1 + div(5 * r.less_monetary, nullif(r.scored, 0))
        end::smallint as monetary_score,
        r.recency_is_degenerate or r.frequency_is_degenerate as is_not_scorable
    from ranked as r
),

celled as (
    select
        s.customer_id,
        s.snapshot_date,
        s.recency_score::text || s.frequency_score::text || s.monetary_score::text as rfm_score,
        case
            when s.is_not_scorable then 'not scorable'
            when s.frequency = 1 and s.recency_score = 5 then 'one order R5'
            when s.frequency = 1 and s.recency_score = 4 then 'one order R4'
            else 'R' || s.recency_score || ' FM' || (s.frequency_score + s.monetary_score + 1) / 2
        end as cell
    from scored as s
    union all
    select
        r.customer_id,
        r.snapshot_date,
        null as rfm_score,
        'lapsed out' as cell
    from running as r
    where r.frequency = 0 and r.last_order_date is not null
),

segmented as (
    select
        c.customer_id,
        c.snapshot_date,
        c.rfm_score,
        g.segment,
        lag(g.segment) over (partition by c.customer_id order by c.snapshot_date) as previous_segment
    from celled as c
    inner join core.rfm_grid as g on c.cell = g.cell
),

changes as (
    select
        s.customer_id,
        s.snapshot_date,
        s.rfm_score,
        s.segment,
        s.previous_segment,
        lead(s.snapshot_date) over (partition by s.customer_id order by s.snapshot_date) as next_snapshot_date
    from segmented as s
    where s.previous_segment is null or s.segment <> s.previous_segment
),

final as (
    select
        c.customer_id,
        c.snapshot_date as valid_from,
        c.next_snapshot_date - 1 as valid_to,
        c.next_snapshot_date is null as is_current,
        c.segment,
        c.previous_segment,
        c.rfm_score
    from changes as c
)

select * from final
