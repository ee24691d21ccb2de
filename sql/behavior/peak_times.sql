-- One row per measure, ISO weekday and local hour: the heat map of the week, always with all 168 cells.
-- Measures are the eight kinds of events and `all` of them, from the first day with interactions on; `orders`
-- and `net_sales` of all shops, and `online_` without shops whose channel is `store`, from the first sale on,
-- at the moment of order, sale or return; all until the as-of date. `hours` is how often the cell occurred in
-- this span: an hour that the clocks skip in spring is not counted, one that they repeat in autumn counts
-- twice. `z_score` compares `per_hour` with the 24 hours of the same weekday. The peak is the cell with the
-- largest positive `per_hour`, the earliest of the week among equals.
with clock as (
    select
        c.as_of_date,
        c.first_sale_date,
        p.timezone
    from core.clock as c
    cross join core.parameters as p
),

activity as (
    select
        a.event_source,
        a.event_type,
        a.occurred_date,
        a.occurred_at
    from core.activity as a
),

tracked as (
    select min(a.occurred_date) as begin_date
    from activity as a
    where a.event_source = 'interaction'
),

events as (
    select
        a.event_type,
        a.occurred_at at time zone c.timezone as local_time
    from activity as a
    cross join clock as c
    cross join tracked as t
    where a.occurred_date >= t.begin_date
),

typed as (
    select
        e.event_type,
        extract(isodow from e.local_time)::int as iso_weekday,
        extract(hour from e.local_time)::int as hour,
        count(*) as events
    from events as e
    group by e.event_type, extract(isodow from e.local_time)::int, extract(hour from e.local_time)::int
),

stores as (
    select
        s.store_id,
        s.channel <> 'store' as is_online
    from core.stores as s
),

orders as (
    select
        o.ordered_at at time zone c.timezone as local_time,
        s.is_online
    from core.orders as o
    cross join clock as c
    inner join stores as s on o.store_id = s.store_id
    where o.order_date <= c.as_of_date
),

lines as (
    select
        l.sold_at at time zone c.timezone as local_time,
        l.net_sales,
        s.is_online
    from core.sales as l
    cross join clock as c
    inner join stores as s on l.store_id = s.store_id
    where l.is_valid and l.sold_date <= c.as_of_date
),

booked as (
    select
        extract(isodow from o.local_time)::int as iso_weekday,
        extract(hour from o.local_time)::int as hour,
        count(*) as orders,
        count(*) filter (where o.is_online) as online_orders,
        0 as net_sales,
        0 as online_net_sales
    from orders as o
    group by extract(isodow from o.local_time)::int, extract(hour from o.local_time)::int
    union all
    select
        extract(isodow from l.local_time)::int as iso_weekday,
        extract(hour from l.local_time)::int as hour,
        0 as orders,
        0 as online_orders,
        sum(l.net_sales) as net_sales,
        coalesce(sum(l.net_sales) filter (where l.is_online), 0) as online_net_sales
    from lines as l
    group by extract(isodow from l.local_time)::int, extract(hour from l.local_time)::int
),

totals as (
    select
        t.event_type,
        t.iso_weekday,
        t.hour,
        t.events::numeric(18, 4) as total
    from typed as t
    union all
    select
        'all' as event_type,
        t.iso_weekday,
        t.hour,
        sum(t.events)::numeric(18, 4) as total
    from typed as t
    group by t.iso_weekday, t.hour
    union all
    select
        'orders' as event_type,
        b.iso_weekday,
        b.hour,
        sum(b.orders)::numeric(18, 4) as total
    from booked as b
    group by b.iso_weekday, b.hour
    union all
    select
        'online_orders' as event_type,
        b.iso_weekday,
        b.hour,
        sum(b.online_orders)::numeric(18, 4) as total
    from booked as b
    group by b.iso_weekday, b.hour
    union all
    select
        'net_sales' as event_type,
        b.iso_weekday,
        b.hour,
        sum(b.net_sales)::numeric(18, 4) as total
    from booked as b
    group by b.iso_weekday, b.hour
    union all
    select
        'online_net_sales' as event_type,
        b.iso_weekday,
        b.hour,
        sum(b.online_net_sales)::numeric(18, 4) as total
    from booked as b
    group by b.iso_weekday, b.hour
),

spans as (
    select
        'interactions' as span,
        t.begin_date
    from tracked as t
    union all
    select
        'sales' as span,
        c.first_sale_date as begin_date
    from clock as c
),

moments as (
    select
        s.span,
        g.moment at time zone c.timezone as local_time,
        s.begin_date,
        c.as_of_date
    from spans as s
    cross join clock as c
    cross join lateral generate_series(
        ((s.begin_date - 1)::timestamp + interval '12 hours') at time zone c.timezone,
        ((c.as_of_date + 1)::timestamp + interval '12 hours') at time zone c.timezone,
        interval '1 hour'
    ) as g(moment)
    where s.begin_date <= c.as_of_date
),

occurrences as (
    select
        m.span,
        extract(isodow from m.local_time)::int as iso_weekday,
        extract(hour from m.local_time)::int as hour,
        count(*) as hours
    from moments as m
    where m.local_time::date >= m.begin_date and m.local_time::date <= m.as_of_date
    group by m.span, extract(isodow from m.local_time)::int, extract(hour from m.local_time)::int
),

cells as (
    select
        s.span,
        m.event_type,
        d.iso_weekday::int as iso_weekday,
        h.hour::int as hour
    from spans as s
    cross join clock as c
    inner join (
        values
            ('interactions', 'all'), ('interactions', 'visit'), ('interactions', 'view'),
            ('interactions', 'search'), ('interactions', 'cart'), ('interactions', 'remove_from_cart'),
            ('interactions', 'wishlist'),
            ('interactions', 'checkout'), ('interactions', 'purchase'),
            ('sales', 'orders'), ('sales', 'online_orders'),
            ('sales', 'net_sales'), ('sales', 'online_net_sales')
    ) as m(span, event_type) on s.span = m.span
    cross join generate_series(1, 7) as d(iso_weekday)
    cross join generate_series(0, 23) as h(hour)
    where s.begin_date <= c.as_of_date
),

rates as (
    select
        c.event_type,
        c.iso_weekday,
        c.hour,
        coalesce(t.total, 0) as total,
        coalesce(o.hours, 0) as hours,
        coalesce(t.total, 0)::double precision / nullif(o.hours, 0) as per_hour
    from cells as c
    left join totals as t
        on c.event_type = t.event_type and c.iso_weekday = t.iso_weekday and c.hour = t.hour
    left join occurrences as o on c.span = o.span and c.iso_weekday = o.iso_weekday and c.hour = o.hour
),

sums as (
    select
        r.event_type,
        sum(r.total) as total
    from rates as r
    group by r.event_type
),

means as (
    select
        r.event_type,
        r.iso_weekday,
        avg(r.per_hour order by r.hour) as per_hour,
        min(r.per_hour) < max(r.per_hour) as differs
    from rates as r
    group by r.event_type, r.iso_weekday
),

spreads as (
    select
        r.event_type,
        r.iso_weekday,
        sqrt(avg((r.per_hour - m.per_hour) * (r.per_hour - m.per_hour) order by r.hour)) as deviation
    from rates as r
    inner join means as m on r.event_type = m.event_type and r.iso_weekday = m.iso_weekday
    group by r.event_type, r.iso_weekday
),

ranked as (
    select
        r.event_type,
        r.iso_weekday,
        r.hour,
        r.total,
        r.hours,
        r.per_hour,
        row_number() over (
            partition by r.event_type order by r.per_hour desc nulls last, r.iso_weekday, r.hour
        ) as place
    from rates as r
),

final as (
    select
        r.event_type,
        r.iso_weekday,
        r.hour,
        r.total,
        r.total::double precision / nullif(s.total, 0) as share,
        r.hours,
        r.per_hour,
        case when m.differs then (r.per_hour - m.per_hour) / nullif(d.deviation, 0) end as z_score,
        r.place = 1 and coalesce(r.per_hour > 0, false) as is_peak
    from ranked as r
    inner join sums as s on r.event_type = s.event_type
    inner join means as m on r.event_type = m.event_type and r.iso_weekday = m.iso_weekday
    inner join spreads as d on r.event_type = d.event_type and r.iso_weekday = d.iso_weekday
)

select * from final
