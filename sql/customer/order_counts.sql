-- One row per number of orders, from 1 to 9 and 10 for ten or more: how many customers have so many, and how
-- many go on. Every number stands here, with 0 where nobody has it; guests are left out. `next_order_rate` is
-- the part of the customers with at least so many orders who placed one more; nobody's time to do so is cut
-- off, so that recent customers weigh it down. NULL in the last row, which holds all that come after.
with numbers as (
    select g.orders
    from generate_series(1, 10) as g(orders)
),

customers as (
    select
        o.customer_id,
        least(count(*), 10) as orders
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

sums as (
    select
        m.orders,
        count(*) as customers,
        sum(s.net_sales) as net_sales
    from customers as m
    left join sales as s on m.customer_id = s.customer_id
    group by m.orders
),

counted as (
    select
        n.orders,
        coalesce(t.customers, 0) as customers,
        coalesce(t.net_sales, 0) as net_sales,
        sum(coalesce(t.customers, 0)) over (
            order by n.orders desc rows between unbounded preceding and current row
        ) as customers_with_at_least
    from numbers as n
    left join sums as t on n.orders = t.orders
),

final as (
    select
        c.orders,
        case when c.orders < 10 then c.orders::text else '10+' end as orders_name,
        c.customers,
        c.customers::double precision / nullif(sum(c.customers) over (), 0) as share,
        c.customers_with_at_least,
        case when c.orders < 10 then c.customers_with_at_least - c.customers end as customers_with_more,
        case
            when c.orders < 10
                then (c.customers_with_at_least - c.customers)::double precision
                    / nullif(c.customers_with_at_least, 0)
        end as next_order_rate,
        c.net_sales,
        c.net_sales::double precision / nullif(sum(c.net_sales) over (), 0) as net_sales_share,
        c.customers_with_at_least < p.min_group_size as low_n,
        k.currency
    from counted as c
    cross join core.parameters as p
    cross join core.clock as k
)

select * from final
