-- One row per customer with an order: how many days usually lie between two orders, and the class that
-- follows from it. Days are whole local days between consecutive orders; orders on the same day are no
-- interval, so that two orders on one day leave a customer `single`, like one order. Classes are rows of
-- `customer.frequency_classes`. Everything here is absolute; `customer.purchase_frequency` adds what depends
-- on the as-of date.
with orders as (
    select
        o.customer_id,
        o.order_date,
        o.days_since_previous_order
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
),

intervals as (
    select
        o.customer_id,
        count(*) as orders,
        count(*) filter (where o.days_since_previous_order > 0) as intervals,
        min(o.order_date) as first_order_date,
        max(o.order_date) as last_order_date,
        percentile_cont(0.5) within group (order by o.days_since_previous_order::double precision)
        filter (where o.days_since_previous_order > 0) as median_days_between_orders
    from orders as o
    group by o.customer_id
),

measured as (
    select
        i.customer_id,
        i.orders,
        i.intervals,
        i.first_order_date,
        i.last_order_date,
        i.median_days_between_orders,
        (i.last_order_date - i.first_order_date)::double precision / nullif(i.intervals, 0)
            as mean_days_between_orders,
        i.last_order_date + ceil(i.median_days_between_orders::numeric(18, 1))::int as next_order_due_date
    from intervals as i
),

final as (
    select
        m.customer_id,
        m.orders,
        m.first_order_date,
        m.last_order_date,
        m.intervals,
        m.median_days_between_orders,
        m.mean_days_between_orders,
        f.frequency_class,
        f.is_frequent as has_frequent_class,
        m.next_order_due_date
    from measured as m
    left join customer.frequency_classes as f
        on (
            m.median_days_between_orders > f.days_above
            and m.median_days_between_orders <= coalesce(f.days_up_to, m.median_days_between_orders)
        )
        or (m.median_days_between_orders is null and f.days_above is null)
)

select * from final
