-- One row per grouping (preference, location, habit, combined) and group of customers: how large it is and
-- how it buys. A group stands here where it has a customer. Shares are of all customers and of the net sales
-- of all customers, and add up to 1 within a breakdown. `repeat_rate` is of the customers with an order.
-- Groups with few customers are marked, and many of the combined ones are small.
with members as (
    select
        g.customer_id,
        'preference' as breakdown,
        g.preference_group as member
    from customer.groups as g
    union all
    select
        g.customer_id,
        'location' as breakdown,
        g.location_group as member
    from customer.groups as g
    union all
    select
        g.customer_id,
        'habit' as breakdown,
        g.habit_group as member
    from customer.groups as g
    union all
    select
        g.customer_id,
        'combined' as breakdown,
        g.combined_group as member
    from customer.groups as g
),

orders as (
    select
        o.customer_id,
        count(*) as orders,
        sum(o.order_value) as ordered_value
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id
),

sales as (
    select
        s.customer_id,
        sum(s.net_sales) as net_sales
    from core.sales as s
    cross join core.clock as c
    where s.customer_id is not null and s.sold_date <= c.as_of_date
    group by s.customer_id
),

counted as (
    select
        m.breakdown,
        m.member,
        count(*) as customers,
        count(o.orders) as purchasing_customers,
        count(*) filter (where o.orders >= 2) as repeat_customers,
        coalesce(sum(o.orders), 0) as orders,
        coalesce(sum(o.ordered_value), 0) as ordered_value,
        coalesce(sum(s.net_sales), 0) as net_sales,
        (count(*) filter (where o.orders >= 2))::double precision as k,
        count(o.orders)::double precision as n,
        1.959964::double precision as z
    from members as m
    left join orders as o on m.customer_id = o.customer_id
    left join sales as s on m.customer_id = s.customer_id
    group by m.breakdown, m.member
),

bounded as (
    select
        c.breakdown,
        c.member,
        (c.k + c.z * c.z / 2) / nullif(c.n + c.z * c.z, 0) as centre,
        c.z * sqrt(c.k * (c.n - c.k) / nullif(c.n, 0) + c.z * c.z / 4) / nullif(c.n + c.z * c.z, 0) as half
    from counted as c
    where c.n > 0
),

final as (
    select
        c.breakdown,
        c.member,
        c.customers,
        c.customers::double precision / nullif(sum(c.customers) over (partition by c.breakdown), 0)
            as customer_share,
        c.purchasing_customers,
        c.repeat_customers,
        c.k / nullif(c.n, 0) as repeat_rate,
        case when b.half is not null then greatest(b.centre - b.half, 0) end as ci_low,
        case when b.half is not null then least(b.centre + b.half, 1) end as ci_high,
        c.orders,
        c.orders::double precision / nullif(c.purchasing_customers, 0) as orders_per_customer,
        c.net_sales,
        c.net_sales::double precision / nullif(sum(c.net_sales) over (partition by c.breakdown), 0)
            as net_sales_share,
        c.ordered_value,
        c.ordered_value / nullif(c.orders, 0) as aov,
        c.customers < p.min_group_size as low_n,
        y.currency
    from counted as c
    cross join core.parameters as p
    cross join core.clock as y
    left join bounded as b on c.breakdown = b.breakdown and c.member = b.member
)

select * from final
